"""Lets the handler of a run's kind work, and ends the run or gives it back, whatever the handler does."""

import asyncio
from collections.abc import Mapping, Sequence

from brain.runs.errors import LeaseLostError
from brain.runs.port import Task, TaskChange
from brain.worker.held import HeldRun
from brain.worker.port import Handler, Outcome, Rest
from brain.worker.shelf import Shelf, is_away
from brain.worker.vitals import Vitals
from runtime.logs import get_logger
from runtime.problems import Problem

MOST_LOST = 3
"""Workers that may die with a run that has no tasks before it is taken for what kills them; tasks count their own."""

_OPEN = ("waiting", "running")
_log = get_logger(__name__)


class Carrier:
    """Carries out runs, each in a task of the event loop.

    Args:
        shelf: The run store.
        handlers: By kind.
        vitals: Told how runs ended.
    """

    def __init__(self, shelf: Shelf, handlers: Mapping[str, Handler], vitals: Vitals) -> None:
        self._shelf = shelf
        self._handlers = handlers
        self._vitals = vitals

    async def carry_out(self, held: HeldRun) -> None:
        """Work on a run until it has ended, rests, was given back or was lost."""
        try:
            outcome = await self._outcome(held)
            if isinstance(outcome, Outcome):
                await self._end(held, outcome)
            else:
                await self._give_back(held, outcome)
        except LeaseLostError:
            self._vitals.lost.inc()
            _log.warning("run lost to another worker, or it may be", run=held.run.id)
        except asyncio.CancelledError:
            if not held.lost:
                await self._give_back(held, None)
            raise

    async def _outcome(self, held: HeldRun) -> Outcome | Rest | None:
        try:
            if await self._kills_workers(held):
                detail = f"{MOST_LOST} workers ended while they carried the run out, and it is not tried again"
                raise Problem(500, "Worker lost", detail, "worker-lost")
            outcome = await self._handlers[held.run.kind](held)
        except LeaseLostError:
            raise
        except Problem as problem:
            return await self._ended_by(problem, held)
        except Exception as error:
            if is_away(error):
                raise
            _log.exception("a handler failed", run=held.run.id, kind=held.run.kind)
            return await self._ended_by(_unexpected(), held)
        if outcome is not None or held.draining:
            return outcome
        if held.cancelling:
            return Outcome("cancelled", "cancelled")
        _log.error("a handler gave a run back although its worker goes on", run=held.run.id, kind=held.run.kind)
        return await self._ended_by(_unexpected(), held)

    async def _end(self, held: HeldRun, outcome: Outcome) -> None:
        try:
            run = await held.end(outcome)
        except LeaseLostError:
            raise
        except Exception as error:
            if is_away(error):
                raise
            _log.exception("an outcome cannot be recorded", run=held.run.id, kind=held.run.kind)
            run = await held.end(await self._ended_by(_unexpected(), held))
        self._vitals.ended.labels(run.kind, run.state).inc()
        _log.info("run ended", run=run.id, kind=run.kind, state=run.state, reason=run.reason)

    async def _give_back(self, held: HeldRun, rest: Rest | None) -> None:
        self._vitals.given_back.inc()
        until = None if rest is None else rest.until
        _log.info("run given back", run=held.run.id, kind=held.run.kind, until=until and until.isoformat())
        await asyncio.shield(held.release(until))

    async def _ended_by(self, problem: Problem, held: HeldRun) -> Outcome:
        return ended_by(problem, held.run.id, await self._shelf.run(lambda store: store.tasks(held.run.id)))

    async def _kills_workers(self, held: HeldRun) -> bool:
        """Whether so many workers were lost with a run without tasks; giving it back is no loss."""
        if held.tasks or held.run.epoch <= MOST_LOST:
            return False
        events = await self._shelf.run(lambda store: store.events(held.run.id, limit=1000))
        return held.run.epoch - 1 - sum(one.event == "released" for one in events) >= MOST_LOST


def ended_by(problem: Problem, run_id: str, tasks: Sequence[Task]) -> Outcome:
    """The end of a run whose handler raised a problem: it is the result, and the error of every task that was open.

    Args:
        problem: What was raised.
        run_id: The run's.
        tasks: As they stand.
    """
    document = problem.document(run_id)
    changes = [TaskChange(one.id, "failed", error=document) for one in tasks if one.state in _OPEN]
    return Outcome("failed", f"task_failed: {problem.detail or problem.title}", document, changes)


def _unexpected() -> Problem:
    """What is told of an exception that nobody expected; its text is in the log alone."""
    return Problem(500, detail="the platform failed in carrying this run out; the worker's log says why")
