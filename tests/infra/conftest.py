"""The S3 server's fixtures, for the tests of this folder."""

from tests.s3_server import s3_place, s3_server

__all__ = ["s3_place", "s3_server"]
