"""The storage layer: tables, objects, markers. The only place that knows Arrow, Parquet and the S3 protocol."""
