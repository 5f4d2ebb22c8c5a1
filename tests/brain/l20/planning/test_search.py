"""The two searches of the portfolio, and both together."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.check import violations
from brain.l20.planning.compact import Compact, State, compact
from brain.l20.planning.heuristic import evolve, heuristic
from brain.l20.planning.modes import first_modes
from brain.l20.planning.neighbourhood import improve, makespan
from brain.l20.planning.portfolio import shortest
from brain.l20.planning.problem import Problem, Resource
from brain.l20.planning.rules import ordered
from brain.l20.planning.serial import forward
from brain.l20.planning.solve import solve

MakeProblem = Callable[[int, int], Problem]


def worst(project: Compact) -> State:
    """A schedule that nobody tried to make good."""
    modes = first_modes(project)[-1]
    return forward(project, ordered(project, [-float(task) for task in range(len(project))]), modes), modes


def improved(project: Compact, state: State, seconds: float) -> tuple[State, bool]:
    return improve(project, state, time.monotonic() + seconds, seed=0, share=lambda best: best)


def test_stretches_are_shortened_until_nothing_shorter_can_be(house: Problem) -> None:
    project = compact(house)
    modes = first_modes(project)[0]
    one_by_one = [sum(project.durations(modes)[:task]) for task in range(len(project))]
    state, proven = improved(project, (one_by_one, modes), 10)
    assert (makespan(project, state), proven) == (13, True)


def test_stretches_of_a_large_project_are_shortened(large: MakeProblem) -> None:
    project = compact(large(60, 1))
    state, _ = improved(project, worst(project), 1.5)
    assert makespan(project, state) < makespan(project, worst(project))
    assert violations(project.problem, project.schedule(*state)) == ()


def test_the_search_on_stretches_stops_when_told(large: MakeProblem) -> None:
    project = compact(large(60, 1))
    asked: list[State] = []

    def share(state: State) -> State | None:
        asked.append(state)
        return state if len(asked) < 3 else None

    improve(project, worst(project), time.monotonic() + 60, seed=0, share=share)
    assert len(asked) == 3


def test_the_heuristic_goes_on_from_what_others_find(large: MakeProblem) -> None:
    """Somebody hands it a good schedule; it must come up with one that is at least as good, and stop when told."""
    project = compact(large(40, 6))
    good = heuristic(project.problem, seconds=60, seed=1, samples=300)
    assert good
    given = project.read(good)
    offered: list[State] = []

    def share(state: State) -> State | None:
        assert violations(project.problem, project.schedule(*state)) == ()
        offered.append(state)
        return given if len(offered) < 400 else None

    evolve(project, 0, share, seconds=0.1)
    assert len(offered) == 400
    late = [makespan(project, state) for state in offered[-100:]]
    assert min(late) <= makespan(project, given)


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_stretches_keep_the_budget_and_prove_what_is_true(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = replace(data.draw(problems), horizon=None)
    project = compact(problem)
    state, proven = improved(project, worst(project), 5)
    assert violations(problem, project.schedule(*state)) == ()
    assert proven
    assert makespan(project, state) == solve(problem, seconds=5, workers=1).value


@pytest.mark.parametrize("workers", [1, 2])
def test_both_searches_together_prove_a_tight_project(large: MakeProblem, workers: int) -> None:
    tight = large(14, 2)
    problem = replace(tight, resources=tuple(Resource(each.name, 8) for each in tight.resources))
    project = compact(problem)
    found = shortest(project, worst(project), 20, workers, seed=0)
    assert found.schedule
    assert violations(problem, found.schedule) == ()
    assert found.bound == found.schedule.makespan > project.bound
    assert found.schedule.makespan < makespan(project, worst(project))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_time_is_kept(large: MakeProblem, workers: int) -> None:
    """Of a project whose gap is so wide that the heuristic goes on from the start."""
    project = compact(large(120, 4))
    began = time.monotonic()
    found = shortest(project, worst(project), 1.0, workers, seed=0)
    assert time.monotonic() - began < 4.0
    assert found.schedule
    assert violations(project.problem, found.schedule) == ()
    assert found.bound <= found.schedule.makespan < makespan(project, worst(project))
