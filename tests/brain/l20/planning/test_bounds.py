from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.bounds import (
    cost_bound,
    critical_path_bound,
    earliest_starts,
    energy_bound,
    latest_starts,
    makespan_bound,
    tails,
)
from brain.l20.planning.problem import Mode, Problem, Resource, Task
from tests.support.projects import planned


def test_the_critical_path_is_the_longest_chain(house: Problem) -> None:
    assert critical_path_bound(house) == 9


def test_starts_leave_room_before_and_after(house: Problem) -> None:
    assert earliest_starts(house) == {"ground": 0, "walls": 3, "garden": 3, "roof": 7, "done": 9}
    assert latest_starts(house, 9) == {"ground": 0, "walls": 3, "garden": 5, "roof": 7, "done": 9}
    assert tails(house) == {"ground": 6, "walls": 2, "garden": 0, "roof": 0, "done": 0}


def test_work_is_divided_by_the_capacity_between_what_comes_before_and_after(house: Problem) -> None:
    """After the ground at 3 come 4 x 1 + 4 x 2 + 2 x 2 = 16 units of work for a crew of 2."""
    assert energy_bound(house, "crew") == 3 + 8
    assert makespan_bound(house) == 11


def test_work_is_rounded_up() -> None:
    tasks = tuple(Task(name, (Mode("m", 3, {"r": 1}),)) for name in "abc")
    assert energy_bound(Problem(tasks, (Resource("r", 2),)), "r") == 5


def test_the_least_work_is_taken_over_modes_that_fit() -> None:
    modes = (Mode("impossible", 1, {"r": 3}), Mode("long", 9, {"r": 1}), Mode("short", 4, {"r": 2}))
    assert energy_bound(Problem((Task("a", modes),), (Resource("r", 2),)), "r") == 4
    assert critical_path_bound(Problem((Task("a", modes),), (Resource("r", 2),))) == 4


def test_the_cheapest_modes_bound_the_cost(trade: Problem) -> None:
    assert cost_bound(trade) == 20


def test_nothing_takes_no_time() -> None:
    assert makespan_bound(Problem((), ())) == 0


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_no_schedule_is_better_than_the_bounds(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=50)
    assert schedule.makespan >= makespan_bound(problem)
    assert schedule.cost(problem) >= cost_bound(problem)


def test_the_energy_bound_is_reached_where_only_one_resource_matters() -> None:
    tasks = tuple(Task(f"t{a}{b}", (Mode("m", 2, {"r": 1}),)) for a, b in permutations(range(3), 2))
    problem = Problem(tasks, (Resource("r", 2),))
    schedule = planned(problem)
    assert schedule.makespan == energy_bound(problem, "r") == 6
