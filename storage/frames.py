"""Files of one table as a lazy frame: exactly the files that are named, with today's columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from storage.schema import SCHEMAS


def open_files(uris: Sequence[str], table: str, *, endpoint_url: str = "") -> pl.LazyFrame:
    """Rows of the files at `uris` (paths or s3://…). A column that a file is older than is null there.

    Partition columns are ordinary columns inside the files, so they keep their types and need no Hive parsing.
    """
    empty = pl.LazyFrame(schema=pl.Schema(SCHEMAS[table]))
    if not uris:
        return empty
    return pl.scan_parquet(
        list(uris),
        schema=empty.collect_schema(),
        hive_partitioning=False,
        glob=False,
        missing_columns="insert",
        storage_options=_storage_options(endpoint_url) if uris[0].startswith("s3://") else None,
    )


def _storage_options(endpoint_url: str) -> dict[str, str]:
    """What polars cannot learn from the AWS variables. Credentials it finds as boto3 does."""
    if not endpoint_url:
        return {}
    return {"aws_endpoint_url": endpoint_url, "aws_allow_http": str(endpoint_url.startswith("http://")).lower()}
