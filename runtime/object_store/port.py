"""The object-store port: whole objects under slash-separated names."""

from collections.abc import Iterator
from typing import Protocol


class ObjectNotFoundError(KeyError):
    """No object has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no object named {self.name!r}"


class ObjectExistsError(FileExistsError):
    """An object has this name already and was not to be overwritten."""


class ObjectStore(Protocol):
    """Objects are small enough for memory; a reader sees a whole object or none, also after kill -9."""

    def put(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Write one object durably; with `overwrite=False` raise `ObjectExistsError` if the name is taken."""
        ...

    def get(self, name: str) -> bytes:
        """Read one object; raise `ObjectNotFoundError`."""
        ...

    def exists(self, name: str) -> bool:
        """Tell whether the name is taken."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield names that begin with `prefix`, in lexicographic order."""
        ...

    def delete(self, name: str) -> None:
        """Remove one object; a name that is not there is no error."""
        ...
