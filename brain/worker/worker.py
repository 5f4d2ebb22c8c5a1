"""The loop: take runs, hold them, let their handlers work, end them or give them back."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Mapping

from brain.runs.doorbell import Doorbell
from brain.runs.errors import LeaseLostError
from brain.runs.presence import BEAT_SECONDS, Beat
from brain.worker.ends import ended_by, unexpected
from brain.worker.held import HeldRun
from brain.worker.port import Handler, Outcome
from brain.worker.settings import WorkerSettings
from brain.worker.shelf import Shelf, is_away
from brain.worker.vitals import Vitals
from runtime.logs import get_logger
from runtime.problems import Problem

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
        self._handlers = handlers
        self._kinds = tuple(handlers)
        self._settings = settings
        self._vitals = vitals
        self._beat = beat
        self._held: dict[asyncio.Task[None], HeldRun] = {}
        self._freed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Take runs until `stop` is set, then let calls in flight end and give back what has not ended."""
        beside = [asyncio.create_task(work) for work in (self._renew(), self._beats())]
        try:
            while not stop.is_set():
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
            await self._shelf.run(lambda store: store.expire())
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
        task = asyncio.create_task(self._carry_out(held), name=claimed.run.id)
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

    async def _carry_out(self, held: HeldRun) -> None:
        """Let a run's handler work, and end the run or give it back."""
        try:
            outcome = await self._outcome(held)
            if outcome is None:
                await self._give_back(held)
                return
            run = await held.end(outcome)
            self._vitals.ended.labels(run.kind, run.state).inc()
            _log.info("run ended", run=run.id, kind=run.kind, state=run.state, reason=run.reason)
        except LeaseLostError:
            self._vitals.lost.inc()
            _log.warning("run lost to another worker, or it may be", run=held.run.id)
        except asyncio.CancelledError:
            if not held.lost:
                await self._give_back(held)
            raise

    async def _outcome(self, held: HeldRun) -> Outcome | None:
        try:
            outcome = await self._handlers[held.run.kind](held)
        except LeaseLostError:
            raise
        except Problem as problem:
            return await self._ended_by(problem, held)
        except Exception:  # noqa: BLE001 - whatever a handler raises is one run's trouble, not the worker's
            _log.exception("a handler failed", run=held.run.id, kind=held.run.kind)
            return await self._ended_by(unexpected(), held)
        if outcome is not None or held.draining:
            return outcome
        if held.cancelling:
            return Outcome("cancelled", "cancelled")
        _log.error("a handler gave a run back although its worker goes on", run=held.run.id, kind=held.run.kind)
        return await self._ended_by(unexpected(), held)

    async def _ended_by(self, problem: Problem, held: HeldRun) -> Outcome:
        tasks = await self._shelf.run(lambda store: store.tasks(held.run.id))
        return ended_by(problem, held.run.id, tasks)

    async def _give_back(self, held: HeldRun) -> None:
        self._vitals.given_back.inc()
        _log.info("run given back", run=held.run.id, kind=held.run.kind)
        await asyncio.shield(held.release())

    async def _see_cancels(self) -> None:
        if self._held:
            asked = set(await self._shelf.run(lambda store: store.asked_to_stop(self._name)))
            for held in self._held.values():
                if held.run.id in asked:
                    held.ask_to_cancel()

    async def _rest(self, stop: asyncio.Event, rung: int) -> None:
        """Wait for a ring, a free place, the end or the next look."""
        seconds = min(self._settings.poll_seconds, self._settings.lease_seconds / 3)
        await _either(self._doorbell.wait(seconds, rung), self._freed.wait(), stop.wait(), seconds=seconds)

    async def _renew(self) -> None:
        """Hold on to everything that is held, three times in a lease."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            await asyncio.gather(*(self._renew_one(task, held) for task, held in list(self._held.items())))

    async def _renew_one(self, task: asyncio.Task[None], held: HeldRun) -> None:
        try:
            await held.renew()
        except LeaseLostError:
            if not task.done():
                held.lose()
                task.cancel()
                self._vitals.lost.inc()
                _log.warning("run lost to another worker", run=held.run.id)
        except Exception as error:
            if not is_away(error):
                raise
            if held.lease_is_over and not task.done():
                held.lose()
                task.cancel()
                self._vitals.lost.inc()
                _log.warning("run dropped, since its lease could not be renewed", run=held.run.id)

    async def _beats(self) -> None:
        """Let those who look at the workers see this one."""
        from dataclasses import replace

        while True:
            beat = replace(self._beat, held=len(self._held))
            try:
                await self._shelf.run(lambda store, beat=beat: store.beat(beat))  # type: ignore[misc]
            except Exception as error:
                if not is_away(error):
                    raise
            await asyncio.sleep(BEAT_SECONDS)

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
