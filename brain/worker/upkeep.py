"""What a worker does beside its runs: it renews their leases, and shows itself to those who look at the workers."""

import asyncio
from dataclasses import replace

from brain.runs.errors import LeaseLostError
from brain.runs.presence import BEAT_SECONDS, Beat
from brain.worker.held import HeldRun
from brain.worker.shelf import Shelf, is_away
from brain.worker.vitals import Vitals
from runtime.logs import get_logger

HeldRuns = dict[asyncio.Task[None], HeldRun]
"""What a worker holds, by the task that carries it out."""

_log = get_logger(__name__)


class Upkeep:
    """Two loops that end only with the worker.

    Args:
        shelf: The run store.
        held: What is held; changes while the loops run.
        lease_seconds: How long a lease lasts; each is renewed three times in it.
        vitals: Told of leases that were lost.
        beat: What the worker says of itself.
    """

    def __init__(self, shelf: Shelf, held: HeldRuns, lease_seconds: float, vitals: Vitals, beat: Beat) -> None:
        self._shelf = shelf
        self._held = held
        self._lease_seconds = lease_seconds
        self._vitals = vitals
        self._beat = beat

    async def renew(self) -> None:
        """Hold on to everything that is held."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            await asyncio.gather(*(self._renew(task, held) for task, held in list(self._held.items())))

    async def beat(self) -> None:
        """Let others see this worker."""
        while True:
            await self._beat_once(replace(self._beat, held=len(self._held)))
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat_once(self, beat: Beat) -> None:
        try:
            await self._shelf.run(lambda store: store.beat(beat))
        except Exception as error:
            if not is_away(error):
                raise

    async def _renew(self, task: asyncio.Task[None], held: HeldRun) -> None:
        try:
            await held.renew()
        except LeaseLostError:
            self._drop(task, held, "run lost to another worker")
        except Exception as error:
            if not is_away(error):
                raise
            if held.lease_is_over:
                self._drop(task, held, "run dropped, since its lease could not be renewed")

    def _drop(self, task: asyncio.Task[None], held: HeldRun, why: str) -> None:
        if not task.done():  # it may have ended the run itself while the renewal was under way
            held.lose()
            task.cancel()
            self._vitals.lost.inc()
            _log.warning(why, run=held.run.id)
