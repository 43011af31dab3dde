"""What can go wrong on the way to a bucket. That a bucket is an object store at all: tests/conformance."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from rollouts.errors import DataError, UsageError
from storage.objects import open_store
from storage.s3_objects import Patience, S3ObjectStore
from tests.s3_server import S3Place, S3Server
from tests.storage.lossy_proxy import Fate, LossyProxy, lossy_proxy

HURRIED = Patience(attempts=3, connect_timeout_s=2, read_timeout_s=5, first_pause_s=0.001)
SECRET = "a-secret-that-must-not-be-shown"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-id-that-must-not-be-shown")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def proxy(s3_place: S3Place) -> Iterator[LossyProxy]:
    with lossy_proxy(s3_place.endpoint_url) as running:
        yield running


@pytest.fixture
def behind_proxy(proxy: LossyProxy, s3_place: S3Place) -> S3ObjectStore:
    return S3ObjectStore(s3_place.root, endpoint_url=proxy.url, patience=HURRIED)


@pytest.mark.s3
def test_a_creation_whose_acknowledgement_was_lost_is_still_ours(
    proxy: LossyProxy, behind_proxy: S3ObjectStore
) -> None:
    proxy.fates = ["lose_answer"]
    assert behind_proxy.put_if_absent("once", b"mine")
    assert [request.split()[0] for request in proxy.requests] == ["PUT", "PUT", "GET"]
    assert not behind_proxy.put_if_absent("once", b"mine")


@pytest.mark.s3
def test_a_retry_that_finds_anothers_object_has_lost(proxy: LossyProxy, behind_proxy: S3ObjectStore) -> None:
    assert behind_proxy.put_if_absent("once", b"theirs")
    proxy.fates = ["lose_answer"]
    assert not behind_proxy.put_if_absent("once", b"mine")
    assert behind_proxy.get("once") == b"theirs"


@pytest.mark.s3
@pytest.mark.parametrize("fate", ["busy", "conflict", "lose_answer"])
def test_a_passing_trouble_is_retried(proxy: LossyProxy, behind_proxy: S3ObjectStore, fate: Fate) -> None:
    proxy.fates = [fate, fate]
    behind_proxy.put("k", b"1")
    proxy.fates = [fate]
    assert behind_proxy.get("k") == b"1"
    proxy.fates = [fate]
    assert [info.key for info in behind_proxy.list("")] == ["k"]


@pytest.mark.s3
def test_a_trouble_that_stays_ends_after_the_last_attempt(proxy: LossyProxy, behind_proxy: S3ObjectStore) -> None:
    proxy.fates = ["busy"] * 10
    with pytest.raises(DataError, match="failed 3 times"):
        behind_proxy.put("k", b"1")
    assert len(proxy.requests) == HURRIED.attempts


@pytest.mark.s3
def test_a_listing_of_many_pages_is_whole(s3_place: S3Place) -> None:
    store = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    wanted = {f"k/{number}" for number in range(1003)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b""), wanted))
    assert {info.key for info in store.list("k/")} == wanted


@pytest.mark.s3
def test_uploads_that_others_abandoned_can_be_found_and_aborted(s3_place: S3Place, s3_server: S3Server) -> None:
    client = boto3.client("s3", endpoint_url=s3_place.endpoint_url)
    prefix = s3_place.root.removeprefix(f"s3://{s3_server.bucket}/")
    for name in ("tables/x", "tables/y", "elsewhere"):
        client.create_multipart_upload(Bucket=s3_server.bucket, Key=f"{prefix}/{name}")
    store = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    store.put("tables/z", b"1")
    first, second = sorted(store.unfinished("tables/"), key=lambda upload: upload.key)
    assert (first.key, second.key) == ("tables/x", "tables/y")
    store.abandon(first)
    store.abandon(first)
    assert [upload.key for upload in store.unfinished("tables/")] == ["tables/y"]
    store.abandon(second)
    assert [info.key for info in store.list("")] == ["tables/z"]


@pytest.mark.s3
def test_credentials_that_may_read_but_not_write_are_told_what_they_may_not(
    s3_place: S3Place, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(s3_place.root, endpoint_url=s3_place.endpoint_url).put("there", b"1")
    for name, value in s3_server.reader_environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    assert store.get("there") == b"1"
    for put in (store.put, store.put_if_absent):
        with pytest.raises(UsageError, match=r"valid but may not write test-\d+/new there .*allowed to read, write"):
            put("new", b"1")
    with pytest.raises(UsageError, match=r"valid but may not delete test-\d+/there there"):
        store.delete("there")
    assert [info.key for info in store.list("")] == ["there"]


@pytest.mark.s3
def test_a_missing_bucket_is_named(s3_place: S3Place) -> None:
    store = open_store("s3://no-such-bucket/x", endpoint_url=s3_place.endpoint_url)
    for use in (lambda: store.get("k"), lambda: store.put("k", b""), lambda: list(store.list(""))):
        with pytest.raises(UsageError, match=f"no bucket 'no-such-bucket' at {s3_place.endpoint_url}"):
            use()


@pytest.mark.s3
def test_wrong_credentials_are_refused_without_being_shown(s3_place: S3Place, credentials: None) -> None:
    store = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    for use in (lambda: store.get("k"), lambda: store.put_if_absent("k", b""), lambda: list(store.list(""))):
        with pytest.raises(UsageError, match=r"refused the credentials.*AWS_ACCESS_KEY_ID") as raised:
            use()
        assert "must-not-be-shown" not in str(raised.value)


def test_an_endpoint_that_is_down_is_named_after_a_bounded_number_of_attempts(credentials: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        # bound but not listening: every connection is refused
        store = S3ObjectStore("s3://bucket/prefix", endpoint_url=endpoint, patience=HURRIED)
        with pytest.raises(DataError, match=rf"bucket 'bucket' at {endpoint} failed 3 times.*endpoint_url") as raised:
            store.put_if_absent("k", b"1")
    assert "must-not-be-shown" not in str(raised.value)


def test_missing_credentials_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no usable credentials.*AWS_SECRET_ACCESS_KEY"):
        open_store("s3://bucket", endpoint_url="http://127.0.0.1:1").get("k")


@pytest.mark.parametrize(
    ("root", "endpoint_url", "error"),
    [
        ("s3://", "", "s3://bucket/prefix"),
        ("s3://bucket/../other", "", "not an object key"),
        ("s3://bucket", "127.0.0.1:9000", "no S3 client for endpoint_url '127.0.0.1:9000'"),
        ("s3://bucket", "http://me:word@127.0.0.1", "must not carry credentials"),
    ],
)
def test_a_place_that_cannot_be_is_refused_at_once(root: str, endpoint_url: str, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        open_store(root, endpoint_url=endpoint_url)


def test_a_bucket_name_that_cannot_be_is_a_usage_error(credentials: None) -> None:
    with pytest.raises(UsageError, match=r"not a valid bucket.*storage\.root"):
        open_store("s3://a b", endpoint_url="http://127.0.0.1:1").get("k")
