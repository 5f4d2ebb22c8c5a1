"""What costs seconds to make, made at its first use and in the thread that uses it."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Late(Generic[T]):
    """Makes one thing once; a failure is raised and the next call tries again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The thing."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made
