from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.check import violations
from brain.l20.planning.infeasible import Change, Diagnosis, Limit, diagnose
from brain.l20.planning.problem import Mode, Problem, Resource, Task

HORIZON, BUDGET, DESK = Limit("horizon"), Limit("budget"), Limit("resource", "desk")


def asked(problem: Problem) -> Diagnosis:
    return diagnose(problem, seconds=5, workers=1)


def needs(diagnosis: Diagnosis) -> dict[Limit, int | None]:
    assert all(change.proven for change in diagnosis.changes)
    return {change.limit: change.needed for change in diagnosis.changes}


def test_horizon_and_budget_collide_and_each_has_a_smallest_change(trade: Problem) -> None:
    diagnosis = asked(replace(trade, horizon=6, budget=60))
    assert (diagnosis.infeasible, diagnosis.conflict, diagnosis.minimal) == (True, (HORIZON, BUDGET), True)
    assert needs(diagnosis) == {HORIZON: 7, BUDGET: 100, DESK: None}


def test_a_horizon_below_the_critical_path_collides_with_itself(trade: Problem) -> None:
    diagnosis = asked(replace(trade, horizon=3, budget=100))
    assert (diagnosis.conflict, diagnosis.minimal) == ((HORIZON,), True)
    assert needs(diagnosis) == {HORIZON: 4, BUDGET: None, DESK: None}


def test_a_budget_below_the_cheapest_modes_collides_with_itself(trade: Problem) -> None:
    diagnosis = asked(replace(trade, horizon=50, budget=19))
    assert diagnosis.conflict == (BUDGET,)
    assert needs(diagnosis) == {HORIZON: None, BUDGET: 20, DESK: None}


def test_a_scarce_resource_collides_with_the_horizon(house: Problem) -> None:
    """9 units need the garden beside the walls, which takes three hands."""
    crew = Limit("resource", "crew")
    diagnosis = asked(replace(house, horizon=9))
    assert diagnosis.conflict == (HORIZON, crew)
    assert needs(diagnosis) == {HORIZON: 13, crew: 3}


def test_all_three_can_collide() -> None:
    """Side by side in 5 units for 20, or one fast after the other; any one limit less would do."""
    modes = (Mode("slow", 5, {"desk": 1}, 10), Mode("fast", 2, {"desk": 1}, 50))
    problem = Problem((Task("a", modes), Task("b", modes)), (Resource("desk", 1),), horizon=5, budget=60)
    diagnosis = asked(problem)
    assert (diagnosis.conflict, diagnosis.minimal) == ((HORIZON, BUDGET, DESK), True)
    assert needs(diagnosis) == {HORIZON: 7, BUDGET: 100, DESK: 2}


def test_where_there_is_a_schedule_nothing_is_to_be_changed(trade: Problem) -> None:
    assert asked(trade) == Diagnosis(False, (), False, ())


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_each_change_lets_a_schedule_be_and_one_unit_less_does_not(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = replace(data.draw(problems), horizon=data.draw(st.integers(0, 6)), budget=data.draw(st.integers(0, 12)))
    diagnosis = asked(problem)
    for change in diagnosis.changes:
        if change.needed is None:
            continue
        assert change.schedule
        assert change.needed > change.now
        assert violations(changed(problem, change, change.needed), change.schedule) == ()
        if change.needed - 1 > change.now:
            assert asked(changed(problem, change, change.needed - 1)).infeasible


def changed(problem: Problem, change: Change, value: int) -> Problem:
    if change.limit.kind == "horizon":
        return replace(problem, horizon=value)
    if change.limit.kind == "budget":
        return replace(problem, budget=value)
    resources = (Resource(each.name, value) if each.name == change.limit.name else each for each in problem.resources)
    return replace(problem, resources=tuple(resources))


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_hardly_any_time_still_gives_what_the_bounds_know(trade: Problem, seconds: float) -> None:
    diagnosis = diagnose(replace(trade, horizon=3), seconds=seconds, workers=1)
    assert (diagnosis.infeasible, diagnosis.conflict) == (True, (HORIZON,))
