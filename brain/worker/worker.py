"""The loop: take runs, hold them, let their handlers work, end them or give them back."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Mapping

from brain.runs.doorbell import Doorbell
from brain.runs.presence import Beat
from brain.worker.carrier import Carrier
from brain.worker.held import HeldRun
from brain.worker.port import Handler
from brain.worker.settings import WorkerSettings
from brain.worker.shelf import Shelf, is_away
from brain.worker.upkeep import HeldRuns, Upkeep
from brain.worker.vitals import Vitals
from runtime.logs import get_logger

BETWEEN_LOOKS_SECONDS = 0.05
"""Shortest time from one look at the queue to the next, unless a place is freed."""

CUT_OFF_SECONDS = 5.0
"""How long handlers may take to end once they are cut off."""

_log = get_logger(__name__)


class Worker:
    """Carries runs out until it is told to stop.

    Args:
        name: Under which it holds runs; no other process ever has the same.
        shelf: The run store.
        doorbell: Rings when something has changed in it.
        handlers: By kind; runs of other kinds are left to other workers.
        settings: Places, leases, pauses.
        vitals: Told of every turn.
        beat: What it says of itself to those who look at the workers.
    """

    def __init__(
        self,
        name: str,
        shelf: Shelf,
        doorbell: Doorbell,
        handlers: Mapping[str, Handler],
        settings: WorkerSettings,
        vitals: Vitals,
        beat: Beat,
    ) -> None:
        self._name = name
        self._shelf = shelf
        self._doorbell = doorbell
        self._kinds = tuple(handlers)
        self._carrier = Carrier(shelf, handlers, vitals)
        self._settings = settings
        self._vitals = vitals
        self._beat = beat
        self._held: HeldRuns = {}
        self._freed = asyncio.Event()
        self._late_looked_at = -math.inf

    async def run(self, stop: asyncio.Event) -> None:
        """Take runs until `stop` is set, then let calls in flight end and give back what has not ended."""
        upkeep = Upkeep(self._shelf, self._held, self._settings.lease_seconds, self._vitals, self._beat)
        beside = [asyncio.create_task(work) for work in (upkeep.renew(), upkeep.beat())]
        try:
            while not stop.is_set():
                for task in beside:
                    if task.done():
                        task.result()  # it never ends by itself; what ended it ends the worker, which is started again
                rung = self._doorbell.rings
                self._freed.clear()
                if await self._turn(stop):
                    await self._rest(stop, rung)
                else:
                    await _either(stop.wait(), seconds=self._settings.poll_seconds)
            await self._drain()
        finally:
            for task in (*beside, *self._held):
                task.cancel()
            await asyncio.gather(*beside, *self._held, return_exceptions=True)
            with contextlib.suppress(Exception):
                await self._shelf.run(lambda store: store.leave(self._name))

    async def _turn(self, stop: asyncio.Event) -> bool:
        """Look at the store once; whether it answered."""
        try:
            await self._end_late_ones()
            await self._see_cancels()
            while len(self._held) < self._settings.places and not stop.is_set():
                if not await self._take():
                    break
        except Exception as error:
            if not is_away(error):
                raise
            self._vitals.failed(f"the run store did not answer: {type(error).__name__}")
            _log.warning("no runs can be taken", error=type(error).__name__, reason=str(error)[:300])
            return False
        self._vitals.turned()
        return True

    async def _take(self) -> bool:
        if not await self._shelf.run(lambda store: store.claimable(self._kinds)):
            return False
        asked_at, lease = time.monotonic(), self._settings.lease_seconds
        claimed = await self._shelf.run(lambda store: store.claim(self._name, lease, self._kinds))
        if claimed is None:
            return False
        how = "begun" if claimed.epoch == 1 else "adopted"
        self._vitals.taken.labels(claimed.run.kind, how).inc()
        _log.info("run taken", run=claimed.run.id, kind=claimed.run.kind, epoch=claimed.epoch, how=how)
        held = HeldRun(self._shelf, claimed, lease, asked_at)
        task = asyncio.create_task(self._carrier.carry_out(held), name=claimed.run.id)
        self._held[task] = held
        self._vitals.held.set(len(self._held))
        task.add_done_callback(self._let_go)
        return True

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._held.pop(task, None)
        self._vitals.held.set(len(self._held))
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a run was dropped; it is taken again when its lease ends", run=task.get_name(), exc_info=error)

    async def _end_late_ones(self) -> None:
        """End queued runs whose deadline has passed; once a poll, however often it rings."""
        if time.monotonic() >= self._late_looked_at + self._settings.poll_seconds:
            self._late_looked_at = time.monotonic()
            await self._shelf.run(lambda store: store.expire())

    async def _see_cancels(self) -> None:
        if self._held:
            asked = set(await self._shelf.run(lambda store: store.asked_to_stop(self._name)))
            for held in self._held.values():
                if held.run.id in asked:
                    held.ask_to_cancel()

    async def _rest(self, stop: asyncio.Event, rung: int) -> None:
        """Wait for a ring, a free place, the end or the next look.

        Each of its own commits rings, too; it looks no more often for that.
        """
        await _either(self._freed.wait(), stop.wait(), seconds=BETWEEN_LOOKS_SECONDS)
        if self._freed.is_set() or stop.is_set():
            return
        seconds = min(self._settings.poll_seconds, self._settings.lease_seconds / 3)
        await _either(self._doorbell.wait(seconds, rung), self._freed.wait(), stop.wait(), seconds=seconds)

    async def _drain(self) -> None:
        self._vitals.draining = True
        _log.info("draining", held=len(self._held))
        for held in self._held.values():
            held.drain()
        if self._held:
            await asyncio.wait(list(self._held), timeout=self._settings.drain_seconds)
        for task in self._held:
            task.cancel()
        if self._held:
            await asyncio.wait(list(self._held), timeout=CUT_OFF_SECONDS)


async def _either(*waits: Awaitable[object], seconds: float) -> None:
    """Wait until one of some waits ends, at most so long; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
