import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.check import violations
from brain.l20.planning.compact import compact
from brain.l20.planning.heuristic import heuristic
from brain.l20.planning.modes import first_modes
from brain.l20.planning.problem import Problem
from brain.l20.planning.rules import ordered, priorities
from brain.l20.planning.serial import by_start, forward, justify

MakeProblem = Callable[[int, int], Problem]


def test_the_best_order_of_the_house_is_found(house: Problem) -> None:
    schedule = heuristic(house)
    assert schedule is not None
    assert schedule.makespan == 13


@pytest.mark.parametrize(("budget", "makespan"), [(100, 4), (99, 7), (60, 7), (59, 10), (20, 10)])
def test_the_budget_is_spent_on_the_shortest_schedule(trade: Problem, budget: int, makespan: int) -> None:
    problem = replace(trade, budget=budget)
    schedule = heuristic(problem, samples=200)
    assert schedule is not None
    assert (schedule.makespan, violations(problem, schedule)) == (makespan, ())


@pytest.mark.parametrize(("horizon", "cost"), [(4, 100), (6, 100), (7, 60), (9, 60), (10, 20)])
def test_the_cheapest_modes_that_meet_the_horizon_are_chosen(trade: Problem, horizon: int, cost: int) -> None:
    problem = replace(trade, horizon=horizon)
    schedule = heuristic(problem, "cost", samples=200)
    assert schedule is not None
    assert (schedule.cost(problem), violations(problem, schedule)) == (cost, ())


@pytest.mark.parametrize("limits", [{"budget": 19}, {"horizon": 3}])
def test_where_limits_cannot_be_kept_there_is_no_schedule(trade: Problem, limits: dict[str, int]) -> None:
    assert heuristic(replace(trade, **limits), samples=50) is None  # type: ignore[arg-type]


def test_120_tasks_have_a_schedule_within_200_ms(large: MakeProblem) -> None:
    problem = large(120, 1)
    began = time.process_time()
    schedule = heuristic(problem, seconds=0.0)
    assert time.process_time() - began < 0.2
    assert schedule is not None
    assert violations(problem, schedule) == ()


def test_the_search_ends_at_its_deadline(large: MakeProblem) -> None:
    began = time.monotonic()
    heuristic(large(120, 2), seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 1.0


def test_a_seed_gives_the_same_schedule_again(large: MakeProblem) -> None:
    problem = large(40, 3)
    first = heuristic(problem, seconds=60, seed=5, samples=80)
    assert first == heuristic(problem, seconds=60, seed=5, samples=80)


def test_searching_on_is_never_worse_and_better_somewhere(large: MakeProblem) -> None:
    few, many = [], []
    for seed in range(4):
        problem = large(60, seed)
        for samples, found in ((1, few), (150, many)):
            schedule = heuristic(problem, seconds=60, samples=samples)
            assert schedule is not None
            found.append(schedule.makespan)
    assert all(after <= before for before, after in zip(few, many, strict=True))
    assert sum(many) < sum(few)


def test_cheaper_modes_are_sought_up_to_the_horizon(large: MakeProblem) -> None:
    """Each task may take twice its time for a tenth of the cost; with twice the makespan nearly all can."""
    base = large(30, 5)
    fast = [replace(task.modes[0], name="fast", cost=100) for task in base.tasks]
    modes = [(mode, replace(mode, name="slow", duration=2 * mode.duration, cost=10)) for mode in fast]
    tasks = tuple(replace(task, modes=two) for task, two in zip(base.tasks, modes, strict=True))
    free = replace(base, tasks=tasks)
    quickest = heuristic(free, samples=100)
    assert quickest is not None
    costs = []
    for horizon in (quickest.makespan, quickest.makespan * 3 // 2, quickest.makespan * 2 + 2):
        problem = replace(free, horizon=horizon)
        schedule = heuristic(problem, "cost", seconds=60, samples=100)
        assert schedule is not None
        assert violations(problem, schedule) == ()
        costs.append(schedule.cost(problem))
    assert costs[0] > costs[1] > costs[2]
    assert costs[2] <= 30 * 10 + 3 * 90


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_justified_schedules_are_never_longer(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    project = compact(problem)
    for modes in first_modes(project):
        for priority in priorities(project, modes).values():
            starts = forward(project, ordered(project, priority), modes)
            before, after = (project.schedule(each, modes) for each in (starts, justify(project, starts, modes)))
            assert after.makespan <= before.makespan
            assert violations(replace(problem, horizon=None), after) == ()


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_a_schedule_is_read_back_as_it_was(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    project = compact(problem)
    schedule = heuristic(problem, samples=2)
    assert schedule is not None
    starts, modes = project.read(schedule)
    assert project.schedule(starts, modes) == schedule
    assert project.schedule(forward(project, by_start(starts), modes), modes).makespan <= schedule.makespan


def test_rules_put_the_urgent_first(house: Problem) -> None:
    project = compact(house)
    found = priorities(project, first_modes(project)[0])
    named = {
        rule: [project.problem.order[task] for task in ordered(project, priority)] for rule, priority in found.items()
    }
    assert named["latest_finish"] == ["ground", "walls", "garden", "roof", "done"]
    assert named["greatest_work"] == ["ground", "garden", "walls", "roof", "done"]
    assert named["greatest_rank_positional_weight"] == ["ground", "walls", "garden", "roof", "done"]
    assert len(named) == 7
