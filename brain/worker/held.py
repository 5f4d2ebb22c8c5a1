"""A run that this worker holds."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

from brain.runs.errors import LeaseLostError
from brain.runs.port import Claimed, Progress, Run, RunState, Task, TaskChange
from brain.worker.port import Outcome
from brain.worker.shelf import Shelf, is_away
from runtime.logs import get_logger

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0

_log = get_logger(__name__)


class HeldRun:
    """See `brain.worker.port.Held`.

    Args:
        shelf: Where it is recorded.
        claimed: The lease.
        lease_seconds: How long it lasts after each renewal.
        claimed_at: `time.monotonic()` before it was asked for.
    """

    def __init__(self, shelf: Shelf, claimed: Claimed, lease_seconds: float, claimed_at: float) -> None:
        self.run = claimed.run
        self.tasks: Sequence[Task] = claimed.tasks
        self.stop = asyncio.Event()
        self.cancelling = False
        self.lost = False
        self.draining = False
        self._shelf = shelf
        self._claimed = claimed
        self._lease_seconds = lease_seconds
        self._lease_ends = claimed_at + lease_seconds
        self._see(claimed.run)

    @property
    def lease_is_over(self) -> bool:
        """Whether the lease has surely ended, by this machine's clock."""
        return time.monotonic() >= self._lease_ends

    def drain(self) -> None:
        """Begin nothing new."""
        self.draining = True
        self.stop.set()

    def ask_to_cancel(self) -> None:
        """The caller wants it to end."""
        self.cancelling = True
        self.stop.set()

    def lose(self) -> None:
        """Another worker has it, or may have it."""
        self.lost = True
        self.stop.set()

    async def renew(self) -> None:
        """Hold it longer.

        Raises:
            LeaseLostError: It is lost.
        """
        asked_at = time.monotonic()
        renewed = await self._shelf.run(lambda store: store.renew(self._claimed, self._lease_seconds))
        self._lease_ends = asked_at + self._lease_seconds
        self._see(renewed.run)

    async def commit(
        self, changes: Sequence[TaskChange] = (), *, progress: Progress | None = None, event: str | None = None
    ) -> Run:
        """Record what was done; see `Held.commit`."""
        return await self._commit(changes, progress=progress, event=event)

    async def end(self, outcome: Outcome) -> Run:
        """Record how the run ended; raises as `commit`."""
        return await self._commit(
            outcome.changes,
            state=outcome.state,
            reason=outcome.reason,
            result=outcome.result,
            progress=outcome.progress,
        )

    async def release(self, until: datetime | None = None) -> None:
        """Give the run back unfinished; nobody takes it before `until`."""
        await self._shelf.run(lambda store: store.release(self._claimed, until))

    async def _commit(
        self,
        changes: Sequence[TaskChange],
        *,
        state: RunState | None = None,
        reason: str | None = None,
        result: object = None,
        progress: Progress | None = None,
        event: str | None = None,
    ) -> Run:
        claimed, pause, unsure = self._claimed, FIRST_PAUSE_SECONDS, False
        while True:
            try:
                run = await self._shelf.run(
                    lambda store: store.commit(
                        claimed, changes, state=state, reason=reason, result=result, progress=progress, event=event
                    )
                )
                break
            except (LeaseLostError, ValueError):
                if not unsure or not await self._is_recorded(changes, state):
                    raise
                run = await self._shelf.run(lambda store: store.get(claimed.run.id))
                break
            except Exception as error:
                if not is_away(error):
                    raise
                _log.warning("a commit waits for the database", run=claimed.run.id, reason=str(error)[:200])
                if self.lease_is_over:
                    raise LeaseLostError(claimed.run.id, claimed.epoch) from error
                unsure = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._see(run)
        return run

    async def _is_recorded(self, changes: Sequence[TaskChange], state: RunState | None) -> bool:
        """Whether a commit whose answer was lost has taken place."""
        run = await self._shelf.run(lambda store: store.get(self._claimed.run.id))
        if run.epoch != self._claimed.epoch or (state is not None and run.state != state):
            return False
        now = {task.id: task for task in await self._shelf.run(lambda store: store.tasks(run.id))}
        last = {one.id: one for one in changes}
        same = (now[name].state == one.state and one.attempt in (None, now[name].attempt) for name, one in last.items())
        return bool(changes or state) and all(same)

    def _see(self, run: Run) -> None:
        self.run = run
        if run.state == "cancelling":
            self.ask_to_cancel()
