"""Plans of real playbooks by the real solver."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from brain.l20.planning.check import violations
from brain.l20.planning.problem import Schedule, Slot
from brain.l20.strategy.build import build
from brain.l20.strategy.durations import Duration
from brain.l20.strategy.order import Order
from brain.l20.strategy.planner import Planner
from brain.l20.strategy.playbook import Playbook

PLANNER = Planner(lambda _type: None, workers=1)
Ordered = Callable[..., Order]


def plan(order: Order) -> dict[str, Any]:
    return PLANNER.plan(order)


def slots(result: dict[str, Any]) -> Iterator[Slot]:
    for task in result["tasks"]:
        yield Slot(task["id"], task["mode"], task["start_hours"], task["end_hours"])


def test_a_plan_keeps_precedence_resources_budget_and_timeline(order: Ordered) -> None:
    asked = order(timeline_hours=40, budget_minor=200_000)
    result = plan(asked)
    schedule = Schedule({slot.task: slot for slot in slots(result)})
    assert violations(build(asked, lambda _type: None).problem(), schedule) == ()
    assert result["status"] == "optimal"
    assert result["value"] == result["lower_bound"] == result["makespan_hours"] == schedule.makespan
    assert result["gap"] == 0
    assert result["cost_minor"] == sum(task["cost_minor"] for task in result["tasks"]) <= 200_000


def test_money_buys_time_and_without_it_the_cheap_mode_is_taken(order: Ordered) -> None:
    rich, poor = plan(order(budget_minor=300_000)), plan(order(budget_minor=80_000))
    assert {task["id"]: task["mode"] for task in rich["tasks"]}["dough"] == "bought"
    assert {task["id"]: task["mode"] for task in poor["tasks"]}["dough"] == "by_hand"
    assert rich["makespan_hours"] < poor["makespan_hours"]


def test_the_least_cost_within_the_timeline_is_no_dearer_than_the_shortest_plan(order: Ordered) -> None:
    short, cheap = plan(order(timeline_hours=60)), plan(order(timeline_hours=60, objective_function="cost"))
    assert cheap["cost_minor"] == cheap["value"] < short["cost_minor"]
    assert cheap["makespan_hours"] <= 60
    assert cheap["objective_function"] == "cost"


def test_without_solver_time_the_heuristic_answers_at_once(order: Ordered) -> None:
    result = plan(order(solver_seconds=0.0, timeline_hours=40))
    assert result["solver"] == "heuristic"
    assert result["solver_seconds"] < 1.0  # 0.2 s where nobody else is busy
    assert result["tasks"]


def test_tasks_carry_dates_of_working_hours(order: Ordered) -> None:
    result = plan(order(budget_minor=80_000))
    dough = next(task for task in result["tasks"] if task["id"] == "dough")
    assert (dough["start_at"], dough["end_at"]) == ("2027-03-01T09:00:00Z", "2027-03-02T10:00:00Z")
    assert (dough["start_hours"], dough["end_hours"]) == (0, 9)
    assert result["ends_at"] > dough["end_at"]


def test_each_resource_says_who_gave_it_and_how_it_is_used(order: Ordered) -> None:
    result = plan(order(capacities={"oven": 3}))
    resources = {each["name"]: each for each in result["resources"]}
    assert (resources["oven"]["capacity"], resources["oven"]["given_by"], resources["oven"]["peak"]) == (
        3,
        "request",
        2,
    )
    assert (resources["baker"]["capacity"], resources["baker"]["given_by"]) == (1, "playbook")
    for each in resources.values():
        assert each["profile"][0]["start_hours"] == 0
        assert each["profile"][-1]["end_hours"] == result["makespan_hours"]


def test_the_chart_is_svg_with_titles(order: Ordered) -> None:
    root = ElementTree.fromstring(plan(order())["gantt_svg"])
    assert root.tag.endswith("svg")
    assert "Dough" in "".join(root.itertext())


def test_probabilities_have_an_interval_and_more_room_makes_them_larger(order: Ordered) -> None:
    hand: dict[str, Any] = {"budget_minor": 80_000}
    tight, wide = plan(order(**hand, timeline_hours=23))["risk"], plan(order(**hand, timeline_hours=60))["risk"]
    for risk in (tight, wide):
        on_time = risk["on_time"]
        assert 0 <= on_time["low"] <= on_time["probability"] <= on_time["high"] <= 1
        assert risk["within_budget"]["probability"] > 0
    assert tight["on_time"]["probability"] < wide["on_time"]["probability"] > 0.99
    assert (wide["draws"], wide["shared_correlation"]) == (2000, 0.3)
    quantiles = list(wide["makespan_hours"].values())
    assert quantiles == sorted(quantiles)


def test_a_higher_quantile_gives_every_task_more_time_and_the_plan_a_better_chance(order: Ordered) -> None:
    low, high = plan(order(quantile=0.5, budget_minor=90_000)), plan(order(quantile=0.9, budget_minor=90_000))
    assert low["makespan_hours"] < high["makespan_hours"]


def test_the_same_order_gives_the_same_risk(order: Ordered) -> None:
    assert plan(order(timeline_hours=40))["risk"] == plan(order(timeline_hours=40))["risk"]


def test_a_measured_capability_takes_as_long_as_it_was_measured(order: Ordered) -> None:
    measured = Duration(math.log(2.5), 0.1, "learned from 40 calls")
    learning = Planner(lambda name: measured if name == "crypto_prediction" else None, workers=1)
    bake = next(task for task in learning.plan(order())["tasks"] if task["id"] == "bake")  # type: ignore[attr-defined]
    assert (bake["end_hours"] - bake["start_hours"], bake["hours_source"]) == (3, "learned from 40 calls")


def test_what_people_do_is_not_taken_for_the_call_of_a_capability(bread: Playbook, order: Ordered) -> None:
    document = bread.model_dump()
    document["tasks"][1]["modes"][0]["needs"] = {"oven": 2, "baker": 1}
    measured = Duration(math.log(0.1), 0.1, "learned")
    learning = Planner(lambda _name: measured, workers=1)
    result: dict[str, Any] = learning.plan(order(Playbook.model_validate(document)))
    assert next(task for task in result["tasks"] if task["id"] == "bake")["hours_source"] == "playbook"


def test_a_budget_that_is_too_small_says_what_would_do(order: Ordered) -> None:
    result = plan(order(budget_minor=50_000))
    assert (result["status"], result["tasks"], result["gantt_svg"]) == ("infeasible", [], None)
    assert result["infeasible"]["collisions"] == ["budget"]
    [change] = result["infeasible"]["changes"]
    assert (change["constraint"], change["from"]) == ("budget", 500.0)
    assert plan(order(budget_minor=change["to"] * 100))["status"] == "optimal"
    assert plan(order(budget_minor=change["to"] * 100 - 100))["status"] == "infeasible"


def test_budget_and_timeline_that_collide_are_both_named_with_a_change_of_each(order: Ordered) -> None:
    result = plan(order(budget_minor=80_000, timeline="3 days", timeline_hours=20))
    assert set(result["infeasible"]["collisions"]) == {"budget", "timeline"}
    changes = {change["constraint"]: change for change in result["infeasible"]["changes"]}
    assert changes["timeline"]["from"] == "3 days"
    assert plan(order(budget_minor=80_000, timeline_hours=changes["timeline"]["hours"]))["tasks"]
    assert plan(order(budget_minor=changes["budget"]["to"] * 100, timeline_hours=20))["tasks"]


def test_a_task_that_fits_nowhere_names_its_resource_and_the_least_that_does(order: Ordered) -> None:
    result = plan(order(capacities={"oven": 1}))
    assert (result["status"], result["infeasible"]["collisions"]) == ("infeasible", ["resources.oven"])
    [change] = result["infeasible"]["changes"]
    assert (change["constraint"], change["from"], change["to"]) == ("resources.oven", 1, 2)


def test_where_more_of_the_resource_is_not_enough_that_is_said(order: Ordered) -> None:
    result = plan(order(capacities={"oven": 1}, timeline_hours=5))
    assert result["infeasible"]["changes"] == []
    assert result["infeasible"]["of_no_help"] == ["resources.oven"]


def test_a_plan_at_the_edge_of_its_budget_warns(order: Ordered) -> None:
    exact = plan(order(quantile=0.5))["cost_minor"]
    result = plan(order(quantile=0.5, budget_minor=exact))
    assert "budget_at_risk" in {warning["code"] for warning in result["warnings"]}


@pytest.mark.parametrize("start", [datetime(2027, 3, 1, 9, tzinfo=UTC), datetime(2027, 12, 31, 23, tzinfo=UTC)])
def test_a_stop_between_two_steps_ends_the_planning(order: Ordered, start: datetime) -> None:
    def stop(name: str) -> None:
        if name == "solving":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        PLANNER.plan(order(starts_at=start), stop)
