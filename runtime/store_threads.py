"""A store that blocks, asked from the event loop by a bounded number of threads, and opened with their first work."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from runtime.logs import get_logger
from runtime.problems import Problem

_FULL_RETRY_SECONDS = 1
_FAILED_RETRY_SECONDS = 2

_log = get_logger(__name__)


class Store(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of what it holds."""
        ...


_S = TypeVar("_S", bound=Store)
_T = TypeVar("_T")


class StoreThreads(Generic[_S]):
    """Does work on a store in threads of its own.

    Args:
        name: What the store is, in the log and, with hyphens, in the names of threads.
        open_store: Opens it; where that fails, the next work tries again.
        is_away: Whether an error says that the store's database fails, rather than that the store refuses.
        unavailable: Makes what callers are told instead, from a reason that follows the store's name in a sentence,
            and the seconds after which to try again.
        threads: Calls at a time.
        waiting: Calls that may wait beside those.
    """

    def __init__(
        self,
        name: str,
        open_store: Callable[[], _S],
        is_away: Callable[[Exception], bool],
        unavailable: Callable[[str, int], Problem],
        *,
        threads: int,
        waiting: int,
    ) -> None:
        self._name = name
        self._open_store = open_store
        self._is_away = is_away
        self._unavailable = unavailable
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name.replace(" ", "-"))
        self._most = threads + waiting
        self._held = 0
        self._opening = threading.Lock()
        self._store: _S | None = None

    def hold(self, begin: "Callable[[], asyncio.Future[_T]]") -> "asyncio.Future[_T]":
        """Begin a call that counts among those in hand until its future is done or cancelled.

        Raises:
            Problem: `unavailable`'s, where too many calls are in hand already; nothing is begun.
        """
        if self._held >= self._most:
            raise self._unavailable("has too many calls waiting", _FULL_RETRY_SECONDS)
        future = begin()
        self._held += 1
        future.add_done_callback(self._let_go)
        return future

    def start(self, work: Callable[[_S], _T]) -> "asyncio.Future[_T]":
        """Do some work as `ask` does, in the next free thread; what nobody holds is not counted."""
        return asyncio.get_running_loop().run_in_executor(self._pool, self.ask, work)

    def ask(self, work: Callable[[_S], _T]) -> _T:
        """Do some work in this thread and return what it returns; what the store refuses comes through as it is.

        Raises:
            Problem: `unavailable`'s, where the database fails.
        """
        try:
            return work(self._opened())
        except Exception as error:
            told = self.told(error)
            if told is error:
                raise
            raise told from error

    def told(self, error: Exception) -> Exception:
        """What callers are told in the place of an error: the same one, unless it says that the database fails."""
        if not self._is_away(error):
            return error
        _log.error(f"the {self._name} failed", error=type(error).__name__, reason=str(error)[:500])
        return self._unavailable("cannot be read or written now", _FAILED_RETRY_SECONDS)

    def close(self) -> None:
        """Wait for the work in hand and close the store; work that waits is not done any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    def _opened(self) -> _S:
        with self._opening:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def _let_go(self, future: "asyncio.Future[_T]") -> None:
        self._held -= 1
        if not future.cancelled():
            future.exception()  # the caller may have gone, and nobody else would look at it
