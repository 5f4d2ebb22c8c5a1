"""Carries out the tasks of a run: what is ready in parallel, each intent committed before its call.

A commit holds the results of calls that have ended and the intents of those that they made ready, so a chain of n tasks
takes n + 1 commits, the last of which ends the run. What a dead worker left is taken up from the store: results that
are recorded stand, and a call that was in flight is made again under the same key, or its outcome is unknown where that
is not safe.
"""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime

from brain.capabilities.port import Call, Capability
from brain.capabilities.registry import Registry
from brain.deadline import Deadline
from brain.orchestration.agenda import Agenda
from brain.orchestration.calling import CallEnd, make_call
from brain.orchestration.endings import ending, progress
from brain.orchestration.pauses import Draw
from brain.orchestration.step import Step
from brain.runs.port import TaskChange
from brain.worker.port import Held, Outcome, Rest

REST_SECONDS = 3.0
"""A run in which nothing is to be done for longer gives its place in the worker to others."""

_DECIDING_THREADS = 4

Observer = Callable[[str, str, float], None]


def unobserved(_type: str, _outcome: str, _seconds: float) -> None:
    """For those who keep no metrics."""


class Engine:
    """The handler of kinds `orchestration` and `coordination`.

    Args:
        registry: Whom tasks ask.
        parallel_calls: Calls of one run at a time.
        call_seconds: Longest call, where no deadline comes before.
        observe: Told the type, the outcome (`ok` or a status) and the seconds of every call.
        draw: Draws pauses before further tries.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        parallel_calls: int = 8,
        call_seconds: float = 600.0,
        observe: Observer = unobserved,
        draw: Draw = random.uniform,
    ) -> None:
        self._registry = registry
        self._observe = observe
        self._draw = draw
        self._parallel_calls = parallel_calls
        self._call_seconds = call_seconds
        self._deciding = ThreadPoolExecutor(_DECIDING_THREADS, thread_name_prefix="agenda")

    async def __call__(self, held: Held) -> Outcome | Rest | None:
        """See `brain.worker.port.Handler`."""
        agenda = Agenda(held.run, held.tasks, self._registry, self._draw)
        execution = _Execution(held, agenda, self._deciding, self._parallel_calls, self._call_seconds, self._observe)
        return await execution.carry_out()


class _Execution:
    """A run in hand."""

    def __init__(
        self,
        held: Held,
        agenda: Agenda,
        deciding: Executor,
        parallel_calls: int,
        call_seconds: float,
        observe: Observer,
    ) -> None:
        self._held = held
        self._deciding = deciding
        self._observe = observe
        self._agenda = agenda
        self._parallel_calls = parallel_calls
        self._call_seconds = call_seconds
        self._calls: dict[asyncio.Task[CallEnd], Step] = {}

    async def carry_out(self) -> Outcome | Rest | None:
        """Work until every task has ended, or nothing is in flight: while the worker drains, or for a long pause."""
        try:
            while True:
                self._collect()
                if self._agenda.all_ended:
                    return self._outcome()
                if self._held.cancelling:
                    return await self._cancelled()
                if time.time() >= self._agenda.deadline:
                    await self._expired()
                    return self._outcome()
                starts = [] if self._held.stop.is_set() else await self._starts()
                if self._agenda.all_ended:
                    return self._outcome()
                await self._record()
                self._call(starts)
                if not self._calls and not self._held.cancelling:
                    if self._held.stop.is_set():
                        return None
                    if self._next_look() - time.time() > REST_SECONDS:
                        return Rest(datetime.fromtimestamp(self._next_look(), UTC))
                await self._wait()
        finally:
            await self._cut_off(list(self._calls))

    def _outcome(self) -> Outcome:
        """As cancelled where that came in time for a step, also if no step is left."""
        steps = self._agenda.steps
        in_time = self._held.cancelling and any(one.state == "cancelled" and one.error is None for one in steps)
        return ending(self._held.run, steps, self._agenda.take_changes(), state="cancelled" if in_time else None)

    async def _starts(self) -> list[tuple[Step, Capability]]:
        """What to start, decided in a thread: a few conditions over large results take seconds."""
        places = self._parallel_calls - len(self._calls)
        return await asyncio.get_running_loop().run_in_executor(self._deciding, self._agenda.starts, places)

    async def _record(self) -> None:
        changes: list[TaskChange] = self._agenda.take_changes()
        if changes:
            await self._held.commit(changes, progress=progress(self._agenda.steps))

    def _call(self, starts: list[tuple[Step, Capability]]) -> None:
        """Make the calls whose intents are recorded; a run that is to be cancelled calls nobody any more."""
        for step, capability in starts:
            if self._held.cancelling:
                self._agenda.never_called(step)
                continue
            assert capability.handler is not None  # noqa: S101 - the agenda starts only what is served
            until = min(step.deadline, self._agenda.deadline, time.time() + self._call_seconds)
            run = self._held.run
            parameters = self._agenda.parameters[step.id]
            key = f"{run.id}/{step.id}"
            call = Call(run.id, step.id, run.owner, key, parameters, Deadline(until), step.attempt)
            self._calls[asyncio.create_task(make_call(capability.handler, call), name=key)] = step

    def _collect(self) -> None:
        """Settle the calls that have ended."""
        for task in [one for one in self._calls if one.done()]:
            step = self._calls.pop(task)
            end = task.result()
            self._observe(step.task.type, "ok" if end.problem is None else str(end.problem.status), end.seconds)
            self._agenda.settle(step, end)

    async def _wait(self) -> None:
        """Until a call ends, something falls due, or the run is to stop."""
        if self._held.cancelling:
            return
        due = self._agenda.deadline if self._held.stop.is_set() else self._next_look()
        seconds = max(0.0, due - time.time()) if due < float("inf") else None
        stop = None if self._held.stop.is_set() else asyncio.ensure_future(self._held.stop.wait())
        waits: set[asyncio.Future[object]] = {*self._calls, *([stop] if stop else [])}  # type: ignore[arg-type]
        try:
            if waits:
                await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if stop is not None:
                stop.cancel()

    def _next_look(self) -> float:
        """When something falls due if nothing happens, in Unix seconds."""
        return min(self._agenda.next_due, self._agenda.deadline)

    async def _cancelled(self) -> Outcome:
        """Cut off what may be repeated, let the rest end, and cancel what is left."""
        await self._cut_off([task for task, step in self._calls.items() if self._agenda.may_repeat(step)])
        if self._calls:
            await asyncio.wait(self._calls)
        self._collect()
        if self._agenda.all_ended:
            return self._outcome()
        self._agenda.cancel_rest()
        return ending(self._held.run, self._agenda.steps, self._agenda.take_changes(), state="cancelled")

    async def _expired(self) -> None:
        """Calls end by themselves at the run's deadline; what is left then has come too late."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=1.0)
        self._collect()
        await self._cut_off(list(self._calls))
        self._agenda.expire_rest()

    async def _cut_off(self, calls: list[asyncio.Task[CallEnd]]) -> None:
        for task in calls:
            task.cancel()
        if calls:
            await asyncio.wait(calls)
        for task in calls:
            if not task.cancelled() and not task.exception():
                continue  # it ended before it could be cut off, and `_collect` settles it
            self._calls.pop(task, None)
