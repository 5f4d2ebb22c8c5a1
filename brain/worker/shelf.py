"""The run store from a worker's event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from brain.runs.away import is_away
from brain.runs.port import RunStore

__all__ = ["Shelf", "is_away"]

_T = TypeVar("_T")


class Shelf:
    """Calls the store in threads of its own, so that the loop never waits for a database.

    Args:
        store: Safe for threads.
        threads: Calls at a time; more wait.
    """

    def __init__(self, store: RunStore, threads: int) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="run-store")

    async def run(self, work: Callable[[RunStore], _T]) -> _T:
        """Do some work on the store and return what it returns, or raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, self.store)

    def close(self) -> None:
        """Wait for the calls in hand."""
        self._pool.shutdown(wait=True, cancel_futures=True)
