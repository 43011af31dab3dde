"""Objects as files of one directory.

Nothing is ever half-written under its key: bytes go to a temporary file, are synced, and get their name by one atomic
system call: `link` (fails if the name exists) or `rename` (replaces). The directory entry is synced before the call returns.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollouts.errors import DataError, UsageError
from storage.objects import MissingObject, ObjectInfo, Unfinished, check_key

_TEMPORARY = ".writing-"

_NOT_PERMITTED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class LocalObjectStore:
    """`ObjectStore` on a directory, which is made at the first put. Works where hard links do: not on most FUSE mounts."""

    root: str

    def __post_init__(self) -> None:
        # resolved at once: a worker process may have another working directory
        object.__setattr__(self, "root", str(Path(self.root).expanduser().absolute()))

    def get(self, key: str) -> bytes:
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise MissingObject(f"no object {key!r} under {self.root}") from None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}; check the disk and its permissions") from error

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._explained(path), _temporary(path.parent, data) as temporary:
            temporary.replace(path)
            _sync_directory(path.parent)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        with self._explained(path), _temporary(path.parent, data) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            finally:
                temporary.unlink()
            _sync_directory(path.parent)
            return True

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for key, entry in self._files(prefix):
            if not entry.name.startswith(".") and (found := _status_of(entry)) is not None:
                yield ObjectInfo(key=key, size=found.st_size, modified=found.st_mtime)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._explained(path):
            path.unlink(missing_ok=True)

    def uri(self, key: str) -> str:
        return str(self._path(key))

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        for key, entry in self._files(prefix):
            if entry.name.startswith(_TEMPORARY) and (found := _status_of(entry)) is not None:
                yield Unfinished(key=key, token=entry.path, began=found.st_mtime)

    def abandon(self, write: Unfinished) -> None:
        path = Path(write.token)
        with self._explained(path):
            path.unlink(missing_ok=True)

    def _files(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Key and entry of the files below. DataError for a folder that cannot be read: silence would hide markers."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else Path(self.root)
        for key, entry in _walk(str(start), f"{folder}/" if folder else ""):
            if key.startswith(prefix):
                yield key, entry

    def _path(self, key: str) -> Path:
        return Path(self.root, check_key(key))

    @contextmanager
    def _explained(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise DataError(
                    f"no space to write {path}: {error.strerror}; nothing was published, free some and resume"
                ) from error
            if error.errno in _NOT_PERMITTED:
                raise UsageError(
                    f"cannot write under {self.root}: {error.strerror} ({error.filename}); "
                    "choose a storage root that this user may write to"
                ) from error
            raise DataError(f"cannot write {path}: {error.strerror}; check the disk") from error


def _walk(folder: str, key: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """By `scandir`, as listing a hundred thousand markers shows: with a `Path` for each it takes four times as long."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DataError(
            f"cannot list {error.filename}: {error.strerror}; check the disk and its permissions"
        ) from error
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield key + entry.name, entry
        elif not entry.name.startswith("."):
            yield from _walk(entry.path, f"{key}{entry.name}/")


def _status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None: it was deleted, or given its name, since the folder was read."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return None


@contextmanager
def _temporary(folder: Path, data: bytes) -> Iterator[Path]:
    """A hidden file in the folder with the data, synced, for the caller to rename or remove. It is removed should that fail."""
    path = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
    with os.fdopen(_create(path), "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            yield path
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        _make_directory(path.parent)
        return os.open(path, flags, 0o600)


def _make_directory(path: Path) -> None:
    """`mkdir -p`, each new entry synced so that a crash cannot take an acknowledged object's folder with it."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    path.mkdir(exist_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
