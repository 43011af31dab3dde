"""A dataset version appears whole, and is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollouts.errors import UsageError
from storage.export.manifest import MANIFEST
from storage.export.parquet_files import ExportFile, described
from storage.export.publish import publish
from storage.objects import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "built" / "data").mkdir(parents=True)
    return tmp_path / "built"


def _build(folder: Path, text: str) -> tuple[list[ExportFile], bytes]:
    for path in ("data/train-00000.parquet", "README.md"):
        (folder / path).write_text(f"{path}: {text}")
    files = [described(folder / path, path, num_rows=None) for path in ("data/train-00000.parquet", "README.md")]
    return files, json.dumps({"name": "n", "files": [file.sha256 for file in files]}).encode()


def test_the_manifest_comes_last(tmp_path: Path, folder: Path) -> None:
    files, manifest = _build(folder, "one")
    store = _Recording(str(tmp_path / "out"))
    assert publish(store, files, folder=folder, manifest=manifest)
    assert store.written == ["data/train-00000.parquet", "README.md", MANIFEST]
    assert (tmp_path / "out" / "README.md").read_text() == "README.md: one"


def test_the_same_version_again_changes_nothing(tmp_path: Path, folder: Path) -> None:
    files, manifest = _build(folder, "one")
    publish(open_store(str(tmp_path / "out")), files, folder=folder, manifest=manifest)
    store = _Recording(str(tmp_path / "out"))
    assert not publish(store, files, folder=folder, manifest=manifest)
    assert store.written == []


def test_another_version_is_refused_by_what_differs(tmp_path: Path, folder: Path) -> None:
    store = open_store(str(tmp_path / "out"))
    publish(store, *_build(folder, "one")[:1], folder=folder, manifest=_build(folder, "one")[1])
    files, manifest = _build(folder, "other")
    with pytest.raises(UsageError, match=r"these differ: files\. A version is never overwritten"):
        publish(store, files, folder=folder, manifest=manifest)
    assert (tmp_path / "out" / "README.md").read_text() == "README.md: one"


def test_an_export_that_was_cut_short_is_completed(tmp_path: Path, folder: Path) -> None:
    files, manifest = _build(folder, "one")
    store = open_store(str(tmp_path / "out"))
    store.put("README.md", b"half of ano")
    assert publish(store, files, folder=folder, manifest=manifest)
    assert store.get("README.md") == b"README.md: one"


def test_a_file_that_was_lost_is_put_again(tmp_path: Path, folder: Path) -> None:
    files, manifest = _build(folder, "one")
    store = open_store(str(tmp_path / "out"))
    publish(store, files, folder=folder, manifest=manifest)
    store.delete("README.md")
    assert publish(store, files, folder=folder, manifest=manifest)
    assert store.get("README.md") == b"README.md: one"


@pytest.mark.parametrize(
    ("key", "message"), [("data/train-00001.parquet", "holds other files"), (MANIFEST, "is no manifest of an export")]
)
def test_a_place_with_something_else_is_refused_and_left_alone(
    tmp_path: Path, folder: Path, key: str, message: str
) -> None:
    files, manifest = _build(folder, "one")
    store = _Recording(str(tmp_path / "out"))
    open_store(store.root).put(key, b"mine")
    with pytest.raises(UsageError, match=message):
        publish(store, files, folder=folder, manifest=manifest)
    assert store.written == []


def test_of_two_versions_racing_for_a_place_the_second_is_refused(tmp_path: Path, folder: Path) -> None:
    files, manifest = _build(folder, "one")
    store = _Late(str(tmp_path / "out"), manifest=_build(folder, "other")[1])
    with pytest.raises(UsageError, match="these differ: files"):
        publish(store, files, folder=folder, manifest=manifest)


class _Recording:
    """A directory that remembers what was written to it, in order."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._store = open_store(root)
        self.written: list[str] = []
        self.get, self.list, self.delete, self.uri = (
            self._store.get,
            self._store.list,
            self._store.delete,
            self._store.uri,
        )

    def put(self, key: str, data: bytes) -> None:
        self.written.append(key)
        self._store.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.written.append(key)
        return self._store.put_if_absent(key, data)


class _Late(_Recording):
    """Somebody else's manifest appears just before ours."""

    def __init__(self, root: str, *, manifest: bytes) -> None:
        super().__init__(root)
        self._manifest = manifest

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._store.put(key, self._manifest)
        return super().put_if_absent(key, data)
