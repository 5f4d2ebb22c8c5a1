"""The run store, asked from the event loop: blocking work in a bounded number of threads."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from brain.runs.away import is_away
from brain.runs.doorbell import Doorbell
from brain.runs.port import TERMINAL, Run, RunStore, Standing
from brain.runs.watch import Watch
from runtime.logs import get_logger
from runtime.problems import Problem

_T = TypeVar("_T")
_log = get_logger(__name__)


class RunsUnavailableError(Problem):
    """The run store cannot be read or written now."""

    def __init__(self, reason: str, retry_after_seconds: int = 2) -> None:
        detail = f"the run store {reason}; try again in {retry_after_seconds} s, with the same Idempotency-Key if any"
        super().__init__(503, detail=detail, headers={"Retry-After": str(retry_after_seconds)})


class RunDesk:
    """Runs work on the store in threads of its own, and waits for runs; the store is opened with the first of it.

    Args:
        open_store: Opens the store.
        doorbell: Rings when the store has changed.
        stopping: Whether the process is about to end; nobody waits on then.
        threads: Calls at a time.
        waiting: Calls that may wait for a thread.
        most_waits: Callers that may wait for the end of a run at a time; who comes later is answered at once.
    """

    def __init__(
        self,
        open_store: Callable[[], RunStore],
        doorbell: Doorbell,
        stopping: Callable[[], bool],
        *,
        threads: int,
        waiting: int,
        most_waits: int,
    ) -> None:
        self._open_store = open_store
        self._doorbell = doorbell
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="run-store")
        self._most = threads + waiting
        self._held = 0
        self._opening = threading.Lock()
        self._store: RunStore | None = None
        self.stopping = stopping
        self._most_waits = most_waits
        self.waits = 0
        self.watch = Watch(self._standings, doorbell, stopping)

    async def run(self, work: Callable[[RunStore], _T]) -> _T:
        """Do some work on the store and return what it returns; what the store refuses comes through as it is.

        A caller that is cancelled meanwhile stops waiting; the work is done all the same.

        Raises:
            RunsUnavailableError: The database does not answer, or too many calls wait already.
        """
        if self._held >= self._most:
            raise RunsUnavailableError("has too many calls waiting", 1)
        future = asyncio.get_running_loop().run_in_executor(self._pool, self.ask, work)
        self._held += 1
        future.add_done_callback(self._let_go)
        return await asyncio.shield(future)

    def ask(self, work: Callable[[RunStore], _T]) -> _T:
        """The same in this thread, for those who may block."""
        try:
            return work(self._opened())
        except Exception as error:
            if not is_away(error):
                raise
            _log.error("the run store failed", error=type(error).__name__, reason=str(error)[:500])
            raise RunsUnavailableError("cannot be read or written now") from error

    async def ended(self, run: Run, timeout_seconds: float) -> Run:
        """The run once it is terminal, or as it stands when the time is up or the process stops.

        Raises:
            RunsUnavailableError: As `run`.
        """
        if run.state in TERMINAL or self.waits >= self._most_waits:
            return run
        self.waits += 1
        try:
            await self.watch.ended(run.id, timeout_seconds)
        finally:
            self.waits -= 1
        return await self.run(lambda store: store.get(run.id))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close the store at the end."""
        try:
            yield
        finally:
            await self.watch.close()
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Wait for the work in hand and close the store."""
        self._doorbell.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    async def _standings(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        return await self.run(lambda store: store.standings(run_ids))

    def _opened(self) -> RunStore:
        with self._opening:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def _let_go(self, future: "asyncio.Future[_T]") -> None:
        self._held -= 1
        if not future.cancelled():
            future.exception()  # the caller may have gone, and nobody else would look at it
