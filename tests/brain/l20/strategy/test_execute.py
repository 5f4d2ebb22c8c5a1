from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.l20.strategy.execute import NothingToExecuteError, execution
from brain.runs import NewRun, Run
from brain.runs.store import SqlRunStore

NOW = datetime(2027, 3, 1, tzinfo=UTC)


async def _answer(_call: Call) -> Answer:
    return Answer(None)


def capability(name: str, handler: Any = _answer) -> Capability:
    return Capability(name, name, "toys", None, lambda _parameters: Estimate(2.0, 5), handler=handler)


REGISTRY = Registry([capability("draw"), capability("film"), capability("paint", None)])


@pytest.fixture
def plan(store: SqlRunStore) -> Run:
    return store.create(NewRun("run_00000000000000000000000001", "plan", "key_1", {}, "d"))


def task(name: str, capability: str | None, *after: str) -> dict[str, object]:
    return {"id": name, "capability": capability, "params": {}, "after": list(after)}


def result(*tasks: dict[str, object], status: str = "optimal") -> dict[str, object]:
    return {"status": status, "tasks": list(tasks)}


def test_tasks_of_people_between_two_of_the_platform_become_an_edge(plan: Run) -> None:
    tasks = [task("a", "draw"), task("b", None, "a"), task("c", "paint", "b"), task("d", "film", "c", "a")]
    new = execution(plan, result(*tasks), REGISTRY, NOW)
    assert [(each.id, each.type, each.after) for each in new.tasks] == [("a", "draw", ()), ("d", "film", ("a",))]
    assert (new.kind, new.owner, new.idempotency_key) == ("orchestration", "key_1", f"plan/{plan.id}")


def test_the_same_plan_asks_for_the_same_whatever_the_order_of_its_tasks(plan: Run) -> None:
    tasks = [task("a", "draw"), task("d", "film", "a")]
    one, other = (execution(plan, result(*each), REGISTRY, NOW) for each in (tasks, tasks[::-1]))
    assert one.request_digest == other.request_digest


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (result(task("a", None)), r"ask for \[\]"),
        (result(task("a", "paint")), "'paint'"),
        (result(status="infeasible"), "infeasible"),
        (None, "no result"),
    ],
)
def test_a_plan_with_nothing_to_execute_says_why(plan: Run, given: object, why: str) -> None:
    with pytest.raises(NothingToExecuteError, match=why):
        execution(plan, given, REGISTRY, NOW)


@pytest.mark.parametrize("owner", ["key_1", "key_2"])
def test_it_is_the_owners_of_the_plan(plan: Run, owner: str) -> None:
    made = execution(replace(plan, owner=owner), result(task("a", "draw")), REGISTRY, NOW)
    assert made.owner == owner


def test_a_real_orders_result_can_be_executed(order: Callable[..., Any], plan: Run) -> None:
    from brain.l20.strategy.planner import Planner

    planned = Planner(lambda _name: None, workers=1).plan(order(solver_seconds=0.0))
    registry = Registry([capability("crypto_prediction")])
    new = execution(plan, planned, registry, NOW)
    assert [(each.id, each.type, dict(each.parameters)) for each in new.tasks] == [
        ("bake", "crypto_prediction", {"symbol": "BTC"})
    ]
