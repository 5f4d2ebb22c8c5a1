"""One look at the store for everybody in this process who waits for a run to change."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from brain.runs.doorbell import Doorbell
from brain.runs.port import TERMINAL, Standing
from runtime.problems import Problem

LOOK_SECONDS = 1.0
"""How late a change may be seen while the doorbell is away, and the end of the process at any time."""


@dataclass(eq=False)
class _Waiting:
    run_id: str
    true: Callable[[Standing], bool]
    woken: "asyncio.Future[bool]"


class Watch:
    """Asks how far the runs have come that anybody waits for, whenever the doorbell rings.

    Args:
        look: How far each of some runs has come.
        doorbell: Rings when the store has changed.
        stopping: Whether the process is about to end.
    """

    def __init__(
        self,
        look: Callable[[Collection[str]], Awaitable[Mapping[str, Standing]]],
        doorbell: Doorbell,
        stopping: Callable[[], bool],
    ) -> None:
        self._ask = look
        self._doorbell = doorbell
        self._stopping = stopping
        self._waiting: set[_Waiting] = set()
        self._looking: asyncio.Task[None] | None = None

    async def changed(self, run_id: str, after: int, timeout_seconds: float) -> bool:
        """Wait for an event of a run that comes after another; False where the time is up or the process stops."""
        return await self._wait(run_id, lambda standing: standing.number > after, timeout_seconds)

    async def ended(self, run_id: str, timeout_seconds: float) -> bool:
        """Wait for the end of a run; False as `changed`."""
        return await self._wait(run_id, lambda standing: standing.state in TERMINAL, timeout_seconds)

    async def _wait(self, run_id: str, true: Callable[[Standing], bool], timeout_seconds: float) -> bool:
        if self._stopping():
            return False
        mine = _Waiting(run_id, true, asyncio.get_running_loop().create_future())
        self._waiting.add(mine)
        self._doorbell.ring()  # whatever happened before this was said is looked for as well
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(timeout_seconds):
                return await mine.woken
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(mine)

    async def close(self) -> None:
        """Stop looking; who still waits is told that nothing has changed."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._wake(self._waiting, False)

    async def _look(self) -> None:
        while self._waiting:
            rung = self._doorbell.rings
            if self._stopping():
                self._wake(self._waiting, False)
                return
            try:
                found = await self._ask({one.run_id for one in self._waiting})
            except Problem:
                found = {}  # those who wait see for themselves when their time is up
                await asyncio.sleep(LOOK_SECONDS)
            self._wake({one for one in self._waiting if one.run_id in found and one.true(found[one.run_id])}, True)
            await self._doorbell.wait(LOOK_SECONDS, rung)

    def _wake(self, which: set[_Waiting], how: bool) -> None:
        for one in which:
            if not one.woken.done():
                one.woken.set_result(how)
