"""The probe believes a store only if exactly one of racing creators wins; it leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Lock

import pytest

from infra.store_probe import RACERS, probe_races, probe_store
from tests.s3_server import S3Place


class AtomicStore:
    """Keeps its promises. The stores below each break one."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.created: list[str] = []
        self._lock = Lock()

    def get(self, key: str) -> bytes:
        return self.objects[key]

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._lock:
            if key in self.objects:
                return False
            self.objects[key] = data
            self.created.append(key)
            return True

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class UnconditionalStore(AtomicStore):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.objects[key] = data
        return True


class RefusingStore(AtomicStore):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        return False


class OverwritingStore(AtomicStore):
    """Tells the truth about who came first, and then keeps the last."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        first = super().put_if_absent(key, data)
        self.objects[key] = b"overwritten"
        return first


class CheckThenWriteStore(AtomicStore):
    """Looks whether there is an object, and writes later, when everybody has looked."""

    def __init__(self) -> None:
        super().__init__()
        self._everybody = Barrier(RACERS)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        absent = key not in self.objects
        self._everybody.wait()
        if absent:
            self.objects[key] = data
        return absent


class ForgetfulStore(AtomicStore):
    """Holds the condition during the race and drops it afterwards."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return data == b"late" or super().put_if_absent(key, data)


def test_a_store_that_keeps_its_promise_passes_and_is_left_empty() -> None:
    store = AtomicStore()
    assert probe_races(store, prefix="probe", rounds=5) == ""
    assert store.created == [f"probe-{number}" for number in range(5)]
    assert store.objects == {}


@pytest.mark.parametrize(
    ("store", "trouble"),
    [
        (UnconditionalStore(), "16 of 16 racing creators"),
        (RefusingStore(), "0 of 16 racing creators"),
        (OverwritingStore(), "does not hold what the creator that won wrote"),
        (CheckThenWriteStore(), "16 of 16 racing creators"),
        (ForgetfulStore(), "created again"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AtomicStore) else "",
)
def test_a_store_that_breaks_its_promise_is_found_out_and_left_empty(store: AtomicStore, trouble: str) -> None:
    assert trouble in probe_races(store, prefix="probe", rounds=1)
    assert store.objects == {}


def test_a_directory_that_does_not_exist_passes_and_still_does_not_exist(tmp_path: Path) -> None:
    assert probe_store(str(tmp_path / "new" / "root")) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_a_run_in_it_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("rows")
    assert probe_store(str(tmp_path)) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_a_root_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"cannot write under {tmp_path / 'file' / 'root'}" in probe_store(str(tmp_path / "file" / "root"))
    assert (tmp_path / "file").is_file()


@pytest.mark.s3
def test_a_server_of_the_s3_protocol_that_holds_conditional_puts_passes(s3_place: S3Place) -> None:
    assert probe_store(s3_place.root, endpoint_url=s3_place.endpoint_url, rounds=1) == ""
