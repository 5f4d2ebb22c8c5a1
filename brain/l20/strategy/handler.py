"""The worker's part of a run of kind `plan`: solve in a thread, tell how far it is, hand over what is executed."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

from brain.capabilities.registry import Registry
from brain.l20.analytics.durations import LearnedDurations
from brain.l20.strategy.build import Learned
from brain.l20.strategy.durations import Duration
from brain.l20.strategy.execute import execution
from brain.l20.strategy.order import Order
from brain.l20.strategy.planner import Planner, Step
from brain.l20.strategy.settings import StrategySettings
from brain.runs import Progress, RunStore
from brain.worker.port import Held, Outcome
from runtime.problems import Problem

STEPS = 4
_SECONDS_AN_HOUR = 3600


class StoppedError(Exception):
    """The run is to stop; raised in the solver's thread between two steps."""


class PlanHandler:
    """Makes the plan of a run.

    Args:
        store: For measured durations, and to hand over what is executed.
        registry: What can be executed.
        settings: Threads of the solver, and how far back durations are looked at.
    """

    def __init__(self, store: RunStore, registry: Registry, settings: StrategySettings) -> None:
        self._store = store
        self._registry = registry
        self._settings = settings
        self._places = asyncio.Semaphore(settings.plans_at_once)

    async def __call__(self, held: Held) -> Outcome | None:
        """See `brain.worker.port.Handler`; a plan that is not feasible is an answer too, and the run succeeds."""
        work = asyncio.ensure_future(self._worked(held))
        stop = asyncio.ensure_future(held.stop.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        if not work.done():
            work.cancel()  # the thread stops at its next step
            return _stopped(held)
        try:
            return Outcome("succeeded", result=work.result(), progress=Progress(STEPS, STEPS, "steps", "planned"))
        except StoppedError:
            return _stopped(held)

    async def _worked(self, held: Held) -> dict[str, object]:
        async with self._places:
            return await asyncio.to_thread(self._result, held, _steps(held))

    def _result(self, held: Held, step: Step) -> dict[str, object]:
        order = Order.model_validate(held.run.request)
        planner = Planner(self._learned(), self._settings.solver_workers)
        result = planner.plan(order, step)
        return self._executed(held, result) if order.execute else result

    def _learned(self) -> Learned:
        """Seconds that calls of a capability took, as hours."""
        since = datetime.now(UTC) - timedelta(days=self._settings.learn_days)
        learned = LearnedDurations(self._store.durations(since))

        def duration(capability: str) -> Duration | None:
            found = learned.learned(capability)
            if found is None:
                return None
            source = f"learned from {found.observed} calls that ended and {found.censored} that were cut short"
            return Duration(found.mu - math.log(_SECONDS_AN_HOUR), found.sigma, source)

        return duration

    def _executed(self, held: Held, result: dict[str, object]) -> dict[str, object]:
        if held.stop.is_set():
            raise StoppedError
        try:
            child = self._store.create(execution(held.run, result, self._registry, datetime.now(UTC)))
        except Problem as problem:
            warnings = result["warnings"]
            told = [*warnings] if isinstance(warnings, list) else []
            return {**result, "warnings": [*told, {"code": "not_executed", "detail": problem.detail}]}
        return {**result, "executed": {"run_id": child.id, "href": f"/api/v1/runs/{child.id}"}}


def _steps(held: Held) -> Step:
    """Tells the run how far it is, from the solver's thread."""
    loop = asyncio.get_running_loop()
    done = 0

    def step(name: str) -> None:
        nonlocal done
        if held.stop.is_set():
            raise StoppedError
        told = held.commit(progress=Progress(min(done, STEPS), STEPS, "steps", name))
        asyncio.run_coroutine_threadsafe(told, loop).result()
        done += 1

    return step


def _stopped(held: Held) -> Outcome | None:
    return Outcome("cancelled", "cancelled") if held.cancelling else None


def build_handler(store: RunStore, registry: Registry, settings: StrategySettings | None = None) -> PlanHandler:
    """The handler of kind `plan`, with the settings of the environment where none are given."""
    return PlanHandler(store, registry, settings or StrategySettings())
