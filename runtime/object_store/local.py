"""Objects as files in a folder of this machine."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from runtime.object_store.names import TEMPORARY_PREFIX, InvalidObjectNameError, checked_name
from runtime.object_store.port import ObjectExistsError, ObjectNotFoundError


class LocalObjectStore:
    """One file an object, written beside its place, flushed, then renamed: a reader sees it whole or not at all.

    A name that is an object cannot also be a folder of others (`a` and `a/b`), which remote stores allow.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Write one object durably; with `overwrite=False` raise `ObjectExistsError` if the name is taken."""
        target = self._path(name)
        try:
            _make_folders(target.parent)
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidObjectNameError(f"{name!r} lies under a name that is itself an object") from error
        temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            _write_durably(temporary, data)
            if overwrite:
                temporary.replace(target)
            else:
                os.link(temporary, target)
        except IsADirectoryError as error:
            raise InvalidObjectNameError(f"{name!r} is a folder of other objects") from error
        except FileExistsError as error:
            raise ObjectExistsError(f"an object named {name!r} exists; objects are not overwritten here") from error
        finally:
            temporary.unlink(missing_ok=True)
        _flush_folder(target.parent)

    def get(self, name: str) -> bytes:
        """Read one object; raise `ObjectNotFoundError`."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectNotFoundError(name) from error

    def exists(self, name: str) -> bool:
        """Tell whether the name is taken."""
        return self._path(name).is_file()

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield names that begin with `prefix`, in lexicographic order."""
        folder = prefix.rpartition("/")[0]
        start = self._root / checked_name(folder) if folder else self._root
        found = (
            path.relative_to(self._root).as_posix()
            for path in start.rglob("*")
            if not path.name.startswith(TEMPORARY_PREFIX) and path.is_file()
        )
        yield from sorted(name for name in found if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Remove one object; a name that is not there is no error."""
        path = self._path(name)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            path.unlink()
            _flush_folder(path.parent)

    def _path(self, name: str) -> Path:
        return self._root / checked_name(name)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _make_folders(folder: Path) -> None:
    """`mkdir -p` whose new entries survive a power cut."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        _flush_folder(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(str(folder))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
