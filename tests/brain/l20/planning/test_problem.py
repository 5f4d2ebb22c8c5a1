import re

import pytest

from brain.l20.planning.problem import Mode, Problem, ProblemError, Resource, Task

ONE = (Mode("only", 1),)
CREW = (Resource("crew", 2),)


def test_predecessors_come_first_in_the_order(house: Problem) -> None:
    place = {name: number for number, name in enumerate(house.order)}
    assert all(place[before] < place[task.id] for task in house.tasks for before in task.after)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ((Task("a", ONE), Task("a", ONE)), "task 'a' is given twice"),
        ((Task("a", ONE, ("b",)),), "'a' comes after 'b', and there is no such task"),
        ((Task("a", ()),), "'a' has no modes"),
        ((Task("a", (Mode("m", 1), Mode("m", 2))),), "mode of 'a' 'm' is given twice"),
        ((Task("a", (Mode("m", -1),)),), "duration of 'a' in mode 'm' must be a whole number of at least 0, got -1"),
        ((Task("a", (Mode("m", 1, cost=-5),)),), "cost of 'a' in mode 'm' must be"),
        ((Task("a", (Mode("m", 1, {"crew": -1}),)),), "demand of 'a' in mode 'm' for 'crew' must be"),
        ((Task("a", (Mode("m", 1, {"crane": 1}),)),), "needs 'crane', and there is no such resource"),
        ((Task("a", (Mode("m", 1, {"crew": 3}),)),), "no mode of 'a' fits the capacities: it needs {'crew': 3}"),
    ],
)
def test_what_is_no_project_is_refused(tasks: tuple[Task, ...], message: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(message)):
        Problem(tasks, CREW)


def test_a_cycle_is_named() -> None:
    tasks = (Task("s", ONE), Task("a", ONE, ("s", "c")), Task("b", ONE, ("a",)), Task("c", ONE, ("b",)))
    with pytest.raises(ProblemError, match="in a circle: a after c after b after a"):
        Problem(tasks, CREW)


def test_a_task_that_waits_for_itself_is_refused() -> None:
    with pytest.raises(ProblemError, match="a after a"):
        Problem((Task("a", ONE, ("a",)),), CREW)


@pytest.mark.parametrize("limit", ["horizon", "budget"])
def test_negative_limits_are_refused(limit: str) -> None:
    with pytest.raises(ProblemError, match=f"{limit} must be a whole number"):
        Problem((Task("a", ONE),), CREW, **{limit: -1})  # type: ignore[arg-type]


def test_a_mode_that_never_fits_stays_where_another_does() -> None:
    task = Task("a", (Mode("many", 1, {"crew": 3}), Mode("few", 2, {"crew": 1})))
    problem = Problem((task,), CREW)
    assert [problem.fits(mode) for mode in task.modes] == [False, True]
