import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.problem import Mode, Problem, Resource, Schedule, Slot, Task
from brain.l20.planning.profile import resource_profile
from brain.l20.planning.simulate import Uncertain, partial_order, simulate, wilson
from tests.support.projects import HOUSE_AT_BEST, planned


def certain(problem: Problem, schedule: Schedule) -> dict[str, Uncertain]:
    return {
        name: Uncertain(math.log(slot.end - slot.start) if slot.end > slot.start else None, 0.0, 10, 2.0)
        for name, slot in schedule.slots.items()
    }


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_durations_that_are_as_planned_end_no_later_than_planned(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, seconds=0.01, samples=5)
    outcomes = simulate(problem, schedule, certain(problem, schedule), draws=3)
    assert outcomes.makespans.max() <= schedule.makespan + 1e-6


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_the_durations_no_resource_is_used_beyond_its_capacity(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, seconds=0.01, samples=5)
    before = partial_order(problem, schedule)
    longer = {
        name: data.draw(st.integers(0, 9)) if slot.end > slot.start else 0 for name, slot in schedule.slots.items()
    }
    slots: dict[str, Slot] = {}
    for name, earlier in before.items():
        start = max((slots[each].end for each in earlier), default=0)
        slots[name] = Slot(name, schedule.slots[name].mode, start, start + longer[name])
    for resource in problem.resources:
        for step in resource_profile(problem, Schedule(slots), resource.name):
            assert step.used <= resource.capacity


def test_a_hand_over_is_an_order_that_nobody_asked_for(house: Problem) -> None:
    assert partial_order(house, HOUSE_AT_BEST)["garden"] == ("ground", "roof")


def two_in_a_row() -> tuple[Problem, Schedule]:
    tasks = (Task("a", (Mode("m", 4),)), Task("b", (Mode("m", 4),), ("a",)), Task("c", (Mode("m", 1),)))
    problem = Problem(tasks, ())
    return problem, Schedule({"a": Slot("a", "m", 0, 4), "b": Slot("b", "m", 4, 8), "c": Slot("c", "m", 0, 1)})


def test_quantiles_of_one_task_are_those_of_its_log_normal() -> None:
    problem = Problem((Task("a", (Mode("m", 4),)),), ())
    outcomes = simulate(problem, Schedule({"a": Slot("a", "m", 0, 4)}), {"a": Uncertain(1.0, 0.5)}, draws=40_000)
    assert np.log(outcomes.makespans).mean() == pytest.approx(1.0, abs=0.01)
    assert np.log(outcomes.makespans).std() == pytest.approx(0.5, abs=0.01)
    assert outcomes.on_time(math.exp(1.0)).probability == pytest.approx(0.5, abs=0.01)


def test_any_two_logarithms_have_the_shared_correlation() -> None:
    tasks = tuple(Task(name, (Mode("m", 1),)) for name in "ab")
    problem = Problem(tasks, ())
    schedule = Schedule({name: Slot(name, "m", 0, 1) for name in "ab"})
    both = {name: Uncertain(0.0, 0.4, 0, 1.0) for name in "ab"}
    spread = {rho: simulate(problem, schedule, both, 40_000, 1, rho).costs.var() for rho in (0.0, 0.3, 1.0)}
    one = (math.exp(0.16) - 1) * math.exp(0.16)
    for rho, variance in spread.items():
        together = (math.exp(rho * 0.16) - 1) * math.exp(0.16)
        assert variance == pytest.approx(2 * one + 2 * together, rel=0.06)


def test_criticality_is_that_of_the_longest_chain() -> None:
    problem, schedule = two_in_a_row()
    uncertain = {"a": Uncertain(math.log(4), 0.2), "b": Uncertain(math.log(4), 0.2), "c": Uncertain(0.0, 0.2)}
    assert simulate(problem, schedule, uncertain).criticality == {"a": 1.0, "b": 1.0, "c": 0.0}


def test_two_equal_chains_are_critical_half_of_the_time() -> None:
    problem = Problem((Task("a", (Mode("m", 4),)), Task("b", (Mode("m", 4),))), ())
    schedule = Schedule({name: Slot(name, "m", 0, 4) for name in "ab"})
    found = simulate(problem, schedule, {name: Uncertain(1.0, 0.3) for name in "ab"}, draws=10_000, correlation=0.0)
    assert found.criticality["a"] + found.criticality["b"] == pytest.approx(1.0)
    assert found.criticality["a"] == pytest.approx(0.5, abs=0.02)


def test_the_same_seed_gives_the_same_draws_and_another_others() -> None:
    problem, schedule = two_in_a_row()
    uncertain = {name: Uncertain(1.0, 0.3) for name in "abc"}
    first, again, other = (simulate(problem, schedule, uncertain, seed=seed).makespans for seed in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()


def test_costs_are_fixed_and_hourly_parts_of_every_task() -> None:
    problem, schedule = two_in_a_row()
    outcomes = simulate(problem, schedule, certain(problem, schedule), draws=2)
    assert outcomes.costs == pytest.approx([3 * 10 + 2 * 9, 3 * 10 + 2 * 9])
    assert outcomes.within(48.1).probability == 1
    assert outcomes.within(47.9).probability == 0


@pytest.mark.parametrize(
    ("successes", "draws", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (820, 1000, 0.7950, 0.8426)],
)
def test_the_interval_is_wilsons(successes: int, draws: int, low: float, high: float) -> None:
    found = wilson(successes, draws)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.low <= found.probability <= found.high


def test_a_large_plan_is_simulated_2000_times_unless_said_otherwise(
    large: Callable[[int, int], Problem],
) -> None:
    problem = large(120, 1)
    schedule = planned(problem, seconds=0.05)
    outcomes = simulate(problem, schedule, certain(problem, schedule))
    assert len(outcomes.makespans) == 2000
    assert outcomes.makespans.max() <= schedule.makespan + 1e-6


@pytest.mark.parametrize(("draws", "correlation"), [(0, 0.3), (10, -0.1), (10, 1.1), (10, math.nan)])
def test_what_cannot_be_drawn_is_refused(draws: int, correlation: float) -> None:
    problem, schedule = two_in_a_row()
    with pytest.raises(ValueError, match="at least 1 draw"):
        simulate(problem, schedule, {}, draws=draws, correlation=correlation)


def test_units_of_a_large_resource_are_not_counted_one_by_one() -> None:
    tasks = tuple(Task(f"t{n}", (Mode("m", 1, {"cpu": 400_000}),)) for n in range(4))
    problem = Problem(tasks, (Resource("cpu", 1_000_000),))
    schedule = planned(problem, seconds=0.01)
    assert sum(map(len, partial_order(problem, schedule).values())) >= 2
