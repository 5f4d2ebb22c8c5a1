"""A worker within the test's own process, on a real store, with small real capabilities."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.orchestration.engine import Engine
from brain.runs import TERMINAL, NewRun, NewTask, Run, Task
from brain.runs.doorbell import Doorbell
from brain.runs.ids import new_run_id
from brain.runs.presence import Beat
from brain.runs.store import SqlRunStore
from brain.worker.port import Handler
from brain.worker.settings import WorkerSettings
from brain.worker.shelf import Shelf
from brain.worker.vitals import Vitals
from brain.worker.worker import Worker
from runtime.problems import Problem


class Numbers(BaseModel):
    left: float
    right: float = 0.0


class Toys:
    """Capabilities that count their calls; tests change how `flaky` and `paid` answer."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seen: list[Call] = []
        self.troubles: list[Exception] = []
        self.let_go = asyncio.Event()
        self.begun = asyncio.Event()
        self.at_once = self.most_at_once = 0

    def registry(self) -> Registry:
        estimate = lambda _parameters: Estimate(1.0, 10)  # noqa: E731
        make = lambda name, handler, **more: Capability(  # noqa: E731
            name, name, "toys", more.pop("parameters", None), estimate, handler=handler, **more
        )
        return Registry(
            [
                make("add", self._counted(self._add), parameters=Numbers),
                make("flaky", self._counted(self._flaky)),
                make("hold", self._counted(self._hold)),
                make("paid", self._counted(self._paid), resumable=False),
                make("odd", self._counted(self._odd)),
                make("planned", None),
            ]
        )

    def _counted(self, handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        async def counted(call: Call) -> Answer:
            self.calls[call.key] += 1
            self.seen.append(call)
            self.begun.set()
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                return await handler(call)
            finally:
                self.at_once -= 1

        return counted

    async def _add(self, call: Call) -> Answer:
        numbers = Numbers.model_validate(call.parameters)
        return Answer({"sum": numbers.left + numbers.right}, cost_minor=4)

    async def _flaky(self, call: Call) -> Answer:
        if self.troubles:
            raise self.troubles.pop(0)
        return Answer({"attempt": call.attempt}, cost_minor=1)

    async def _hold(self, call: Call) -> Answer:
        await self.let_go.wait()
        return Answer({"held": True}, cost_minor=4)

    async def _paid(self, call: Call) -> Answer:
        if self.troubles:
            raise self.troubles.pop(0)
        await self.let_go.wait()
        return Answer({"bought": True}, cost_minor=9)

    async def _odd(self, call: Call) -> Answer:
        return Answer(float("nan"))


class Floor:
    """A store, and workers on it as the test starts them."""

    def __init__(self, url: str, toys: Toys, **settings: Any) -> None:
        self.url = url
        self.toys = toys
        self.store = SqlRunStore(url)
        self.settings = WorkerSettings(
            **{"lease_seconds": 3.0, "poll_seconds": 0.1, "drain_seconds": 5.0, "call_seconds": 30.0, **settings}
        )
        self.vitals = Vitals(60, CollectorRegistry())

    def accept(self, *tasks: NewTask, **changes: Any) -> Run:
        return self.store.create(a_run(*tasks, **changes))

    @contextlib.asynccontextmanager
    async def working(
        self, handlers: Mapping[str, Handler] | None = None, name: str = "w1"
    ) -> AsyncIterator[Callable[[], Any]]:
        """A worker that works while the block runs; gives a function that lets it drain and waits for its end."""
        engine = Engine(
            self.toys.registry(),
            parallel_calls=self.settings.parallel_calls,
            call_seconds=self.settings.call_seconds,
            draw=max,
        )
        kinds = handlers or {"orchestration": engine, "coordination": engine}
        stop, doorbell = asyncio.Event(), Doorbell(self.url)
        shelf = Shelf(self.store, self.settings.database_threads)
        worker = Worker(name, shelf, doorbell, kinds, self.settings, self.vitals, Beat(name))
        task = asyncio.create_task(worker.run(stop))

        async def drained() -> None:
            stop.set()
            await task

        try:
            yield drained
        finally:
            stop.set()
            self.toys.let_go.set()
            await task
            doorbell.close()
            shelf.close()

    async def ended(self, run_id: str, seconds: float = 20.0) -> Run:
        """The run once it is terminal."""
        return await self.becomes(lambda: self.store.get(run_id), lambda run: run.state in TERMINAL, seconds)

    async def becomes(self, look: Callable[[], Any], true: Callable[[Any], bool], seconds: float = 20.0) -> Any:
        until = time.monotonic() + seconds
        while True:
            found = await asyncio.to_thread(look)
            if true(found):
                return found
            if time.monotonic() > until:
                raise TimeoutError(f"did not come true within {seconds} s: {found}")
            await asyncio.sleep(0.02)

    async def carry_out(self, *tasks: NewTask, **changes: Any) -> tuple[Run, dict[str, Task]]:
        """Accept a run, let a worker end it, and give it with its tasks."""
        run = self.accept(*tasks, **changes)
        async with self.working():
            ended = await self.ended(run.id)
        return ended, self.tasks(run.id)

    def tasks(self, run_id: str) -> dict[str, Task]:
        return {task.id: task for task in self.store.tasks(run_id)}


def a_run(*tasks: NewTask, **changes: Any) -> NewRun:
    """A run of kind orchestration with estimates as the toys give them, unless a task has its own."""
    given = {"kind": "orchestration", "owner": "ann", "request": {}, "request_digest": "d", **changes}
    seconds = given.pop("deadline_seconds", None)
    if seconds is not None:
        given["deadline"] = datetime.now(UTC) + timedelta(seconds=seconds)
    estimated = [
        one if one.estimate_minor or one.estimate_seconds else replace(one, estimate_minor=10, estimate_seconds=1.0)
        for one in tasks
    ]
    return NewRun(given.pop("id", None) or new_run_id(), tasks=estimated, **given)


def away(status: int = 503, **more: Any) -> Problem:
    return Problem(status, detail="not now", **more)
