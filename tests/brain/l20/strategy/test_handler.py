"""The handler of plans on a real store, held as a worker holds it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.l20.strategy.handler import build_handler
from brain.l20.strategy.order import Order
from brain.l20.strategy.planner import Planner
from brain.l20.strategy.settings import StrategySettings
from brain.runs import NewRun, NewTask, RunStore, TaskChange
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore
from brain.worker.held import HeldRun
from brain.worker.shelf import Shelf


async def _answer(_call: Call) -> Answer:
    return Answer(None)


REGISTRY = Registry([Capability("crypto_prediction", "", "crypto", None, lambda _p: Estimate(1.0), handler=_answer)])
SETTINGS = StrategySettings(solver_workers=1)


def held(store: RunStore, order: Order) -> HeldRun:
    store.create(NewRun(new_run_id(), "plan", "key_1", order.model_dump(mode="json"), "d"))
    claimed = store.claim("w", 30.0, ["plan"])
    assert claimed is not None
    return HeldRun(Shelf(store, 2), claimed, 30.0, asyncio.get_running_loop().time())


async def test_the_outcome_is_the_plan_and_every_step_was_told(store: SqlRunStore, order: Callable[..., Order]) -> None:
    run = held(store, order())
    outcome: Any = await build_handler(store, REGISTRY, SETTINGS)(run)
    assert (outcome.state, outcome.result["status"]) == ("succeeded", "optimal")
    told = [event.body["progress"]["message"] for event in store.events(run.run.id) if event.event == "progress"]
    assert told[:2] == ["building", "solving"]
    assert told[-1] == "simulating"


async def test_a_plan_that_is_cancelled_while_it_is_solved_ends_at_once(
    store: SqlRunStore, order: Callable[..., Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _being_solved(held(store, order()), store, monkeypatch) as (run, work):
        run.ask_to_cancel()
        outcome: Any = await asyncio.wait_for(work, 5)
    assert (outcome.state, outcome.result) == ("cancelled", None)


async def test_a_worker_that_drains_gets_the_run_back_unfinished(
    store: SqlRunStore, order: Callable[..., Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _being_solved(held(store, order()), store, monkeypatch) as (run, work):
        run.drain()
        assert await asyncio.wait_for(work, 5) is None


@asynccontextmanager
async def _being_solved(
    run: HeldRun, store: SqlRunStore, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[HeldRun, asyncio.Task[Any]]]:
    """The run, and the handler's work on it in a solver that ends after the block; only its time is made up."""
    begun, let_go = threading.Event(), threading.Event()
    solve = Planner._solve

    def slowly(self: Planner, *arguments: Any) -> Any:
        begun.set()
        let_go.wait(10)
        return solve(self, *arguments)

    monkeypatch.setattr(Planner, "_solve", slowly)
    work = asyncio.create_task(build_handler(store, REGISTRY, SETTINGS)(run))
    assert await asyncio.to_thread(begun.wait, 10)
    try:
        yield run, work
    finally:
        let_go.set()


def measured(store: SqlRunStore, state: Any) -> None:
    """A call of a capability that ends as soon as it has begun."""
    run = store.create(NewRun(new_run_id(), "orchestration", "key_1", {}, "d", [NewTask("a", "crypto_prediction")]))
    claimed = store.claim("w", 30.0, ["orchestration"])
    assert claimed is not None and claimed.run.id == run.id
    store.commit(claimed, [TaskChange("a", "running", attempt=1)])
    store.commit(claimed, [TaskChange("a", state)], state="succeeded")


async def test_durations_are_learned_from_twenty_calls_and_not_from_nineteen(
    store: SqlRunStore, order: Callable[..., Order]
) -> None:
    for _ in range(19):
        measured(store, "succeeded")
    measured(store, "failed")
    assert await _bake(store, order()) == (4, "playbook")
    measured(store, "succeeded")
    hours, source = await _bake(store, order())
    assert source == "learned from 20 calls that ended and 1 that were cut short"
    assert hours == 1  # calls of milliseconds, rounded up


async def _bake(store: SqlRunStore, order: Order) -> tuple[int, str]:
    outcome: Any = await build_handler(store, REGISTRY, SETTINGS)(held(store, order))
    bake = next(task for task in outcome.result["tasks"] if task["id"] == "bake")
    return bake["end_hours"] - bake["start_hours"], bake["hours_source"]


async def test_execution_is_handed_over_once_even_if_the_plan_is_made_twice(
    store: SqlRunStore, order: Callable[..., Order]
) -> None:
    handler = build_handler(store, REGISTRY, SETTINGS)
    run = held(store, order(execute=True))
    first, again = [(await handler(run)) for _ in range(2)]
    assert first.result["executed"] == again.result["executed"] != None  # type: ignore[union-attr,index]  # noqa: E711
    page = store.list("key_1", kind="orchestration")
    assert [each.id for each in page.runs] == [first.result["executed"]["run_id"]]  # type: ignore[union-attr,index]


async def test_a_request_that_is_no_order_raises(store: SqlRunStore) -> None:
    store.create(NewRun(new_run_id(), "plan", "key_1", {"objective": "x"}, "d"))
    claimed = store.claim("w", 30.0, ["plan"])
    assert claimed is not None
    with pytest.raises(ValueError, match="outline"):
        await build_handler(store, REGISTRY, SETTINGS)(HeldRun(Shelf(store, 2), claimed, 30.0, 0.0))
