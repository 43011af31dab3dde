"""Objects of one bucket, over the S3 protocol. The only file that knows boto3.

An object is created by one conditional PUT (`If-None-Match: *`), never by a multipart upload, so nothing half-written can
stay behind. We retry ourselves (boto3 makes one attempt): only we know whether an earlier attempt of *this* call may have
succeeded unheard, and a 412 after such an attempt is settled by reading the object back and comparing bytes.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
)

from rollouts.errors import DataError, UsageError
from storage.objects import MissingObject, ObjectInfo, Unfinished, check_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

_PRECONDITION_FAILED = 412
_TRANSIENT_STATUS = {408, 409, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {"RequestTimeout", "SlowDown", "RequestLimitExceeded"}
_REFUSED_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed"}
# refusals of the credentials that do not come as a 403
_NOT_ALLOWED_CODE = "AccessDenied"
_BROKEN_CONNECTION = (ConnectionError, HTTPClientError, IncompleteReadError)
_MAX_CONNECTIONS = 32
_DEFAULT_REGION = "us-east-1"
# a signature needs one; S3-protocol servers other than Amazon's mostly ignore it


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one call may take: `attempts` times a time-out, and the pauses between (3 s in all by default)."""

    attempts: int = 5
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 60.0
    # silence on an open connection
    first_pause_s: float = 0.2
    # doubled after each attempt


class S3ObjectStore:
    """`ObjectStore` on s3://bucket/prefix. Credentials come the AWS way: AWS_ACCESS_KEY_ID and friends, a profile, a role."""

    def __init__(self, root: str, *, endpoint_url: str = "", patience: Patience | None = None) -> None:
        bucket, _, prefix = root.removeprefix("s3://").strip("/").partition("/")
        if not root.startswith("s3://") or not bucket:
            raise UsageError(f"an S3 root looks like s3://bucket/prefix, got {root!r}")
        self.root = root
        self.endpoint_url = endpoint_url
        self._bucket = bucket
        self._prefix = _checked(prefix, root) + "/" if prefix else ""
        self._patience = patience or Patience()
        self._client = _connect(endpoint_url, self._patience)
        self._place = f"bucket {bucket!r} at {endpoint_url or 'Amazon S3'}"

    def __reduce__(self) -> tuple[Callable[..., S3ObjectStore], tuple[str, str, Patience]]:
        return (_rebuild, (self.root, self.endpoint_url, self._patience))

    def get(self, key: str) -> bytes:
        name = self._name(key)
        return self._retried("read", key, lambda: self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read())

    def put(self, key: str, data: bytes) -> None:
        name = self._name(key)
        self._retried("write", key, lambda: self._client.put_object(Bucket=self._bucket, Key=name, Body=data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        name = self._name(key)
        attempts = 0

        def create() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if _status(error) != _PRECONDITION_FAILED:
                    raise
                # after a failed attempt this may be the answer to our own object, whose acknowledgement was lost
                return attempts > 1 and self.get(key) == data
            return True

        return self._retried("write", key, create)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        token: str | None = ""
        while token is not None:
            read_page = partial(_page, self._client, self._bucket, self._prefix + prefix, token)
            page = self._retried("list", prefix, read_page)
            for info in page.objects:
                yield replace(info, key=info.key.removeprefix(self._prefix))
            token = page.next_token

    def delete(self, key: str) -> None:
        name = self._name(key)
        self._retried("delete", key, lambda: self._client.delete_object(Bucket=self._bucket, Key=name))

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        """Multipart uploads, which other tools leave behind: this store makes none."""
        place: _UploadPlace | None = _UploadPlace()
        while place is not None:
            read_page = partial(_uploads, self._client, self._bucket, self._prefix + prefix, place)
            uploads, place = self._retried("list", prefix, read_page)
            for upload in uploads:
                yield replace(upload, key=upload.key.removeprefix(self._prefix))

    def abandon(self, write: Unfinished) -> None:
        name = self._name(write.key)
        with contextlib.suppress(MissingObject):
            self._retried(
                "delete",
                write.key,
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=write.token),
            )

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._name(key)}"

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _retried(self, doing: str, key: str, attempt: Callable[[], T]) -> T:
        """What `attempt` returns; retried while a retry may help."""
        pause_s = self._patience.first_pause_s
        for number in range(1, self._patience.attempts + 1):
            try:
                return attempt()
            except (ClientError, BotoCoreError) as error:
                if not _transient(error):
                    raise self._explained(error, doing, key) from None
                if number == self._patience.attempts:
                    raise self._gave_up(error, key) from None
            # racing writers that were told 409 together must not come back together
            time.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s *= 2
        raise AssertionError("attempts must be at least 1")

    def _gave_up(self, error: ClientError | BotoCoreError, key: str) -> DataError:
        return DataError(
            f"{self._place} failed {self._patience.attempts} times ({_name_of(error)}) on {self._prefix}{key}; "
            "check that the server runs, that storage.endpoint_url is right and reachable from here, then resume"
        )

    def _explained(self, error: ClientError | BotoCoreError, doing: str, key: str) -> UsageError | DataError:
        """Ours for theirs. Only the error's code is quoted: messages and headers may echo credentials."""
        if isinstance(error, ParamValidationError):
            return UsageError(f"{self._place}: not a valid bucket or object name; correct storage.root")
        if isinstance(error, BotoCoreError):
            return UsageError(
                f"no usable credentials for {self._place} ({_name_of(error)}); set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        code, status = _name_of(error), _status(error)
        if code == "NoSuchBucket":
            return UsageError(f"there is no {self._place}; create it, or correct storage.root or storage.endpoint_url")
        if status == 404:
            return MissingObject(f"no object {self._prefix}{key} in {self._place}")
        if code == _NOT_ALLOWED_CODE:
            return UsageError(
                f"the credentials for {self._place} are valid but may not {doing} {self._prefix}{key} there ({code}); "
                "they must be allowed to read, write, list and delete below storage.root"
            )
        if status in (401, 403) or code in _REFUSED_CODES:
            return UsageError(
                f"{self._place} refused the credentials ({code}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "this machine's clock, and that they may read, write and list there"
            )
        return DataError(f"{self._place} answered {status} {code} on {self._prefix}{key}; check the server's log")


def _checked(prefix: str, root: str) -> str:
    try:
        return check_key(prefix)
    except ValueError as error:
        raise UsageError(f"storage root {root!r} cannot be used: {error}") from None


def _rebuild(root: str, endpoint_url: str, patience: Patience) -> S3ObjectStore:
    return S3ObjectStore(root, endpoint_url=endpoint_url, patience=patience)


def _connect(endpoint_url: str, patience: Patience) -> S3Client:
    if "@" in endpoint_url:
        raise UsageError(
            "storage endpoint_url must not carry credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    config = Config(
        connect_timeout=patience.connect_timeout_s,
        read_timeout=patience.read_timeout_s,
        retries={"total_max_attempts": 1},
        max_pool_connections=_MAX_CONNECTIONS,
        # checksum trailers are Amazon's own; every part's sha256 is in its marker anyway
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint_url else {},
    )
    try:
        session = boto3.session.Session()
        # boto3 itself reads AWS_DEFAULT_REGION only; polars, which reads the same bucket, knows both
        region = session.region_name or os.environ.get("AWS_REGION") or _DEFAULT_REGION
        return session.client("s3", endpoint_url=endpoint_url or None, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"no S3 client for endpoint_url {endpoint_url!r}: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    objects: list[ObjectInfo]
    next_token: str | None


def _page(client: S3Client, bucket: str, prefix: str, token: str) -> _Page:
    """Up to 1,000 objects, by their names in the bucket; `token` is "" for the first page."""
    if token:
        answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, ContinuationToken=token)
    else:
        answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix)
    objects = [
        ObjectInfo(key=entry["Key"], size=entry["Size"], modified=entry["LastModified"].timestamp())
        for entry in answer.get("Contents", [])
    ]
    return _Page(objects=objects, next_token=answer.get("NextContinuationToken"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _UploadPlace:
    """Where a listing of uploads goes on."""

    key: str = ""
    upload_id: str = ""


def _uploads(
    client: S3Client, bucket: str, prefix: str, place: _UploadPlace
) -> tuple[list[Unfinished], _UploadPlace | None]:
    """Up to 1,000 uploads, by their names in the bucket, and where the next page begins."""
    answer = client.list_multipart_uploads(
        Bucket=bucket, Prefix=prefix, KeyMarker=place.key, UploadIdMarker=place.upload_id
    )
    uploads = [
        Unfinished(key=entry["Key"], token=entry["UploadId"], began=entry["Initiated"].timestamp())
        for entry in answer.get("Uploads", [])
    ]
    if not answer.get("IsTruncated"):
        return uploads, None
    return uploads, _UploadPlace(key=answer["NextKeyMarker"], upload_id=answer["NextUploadIdMarker"])


def _transient(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        return _status(error) in _TRANSIENT_STATUS or _name_of(error) in _TRANSIENT_CODES
    return isinstance(error, _BROKEN_CONNECTION)


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _name_of(error: ClientError | BotoCoreError) -> str:
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else type(error).__name__
