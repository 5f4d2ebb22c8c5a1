"""The run store, asked from the event loop: blocking work in a bounded number of threads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import TypeVar

from brain.runs.away import is_away
from brain.runs.doorbell import Doorbell
from brain.runs.port import TERMINAL, Run, RunStore, Standing
from brain.runs.watch import Watch
from runtime.problems import Problem
from runtime.store_threads import StoreThreads

_T = TypeVar("_T")


class RunsUnavailableError(Problem):
    """The run store cannot be read or written now."""

    def __init__(self, reason: str, retry_after_seconds: int) -> None:
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
        self._doorbell = doorbell
        self._threads: StoreThreads[RunStore] = StoreThreads(
            "run store", open_store, is_away, RunsUnavailableError, threads=threads, waiting=waiting
        )
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
        return await asyncio.shield(self._threads.hold(lambda: self._threads.start(work)))

    def ask(self, work: Callable[[RunStore], _T]) -> _T:
        """The same in this thread, for those who may block."""
        return self._threads.ask(work)

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
        self._threads.close()

    async def _standings(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        return await self.run(lambda store: store.standings(run_ids))
