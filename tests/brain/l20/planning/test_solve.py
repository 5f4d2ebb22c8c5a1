import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.bounds import makespan_bound
from brain.l20.planning.check import violations
from brain.l20.planning.problem import Mode, Problem, Resource, Task
from brain.l20.planning.solve import Backend, Solution, SolveError, solve

BACKENDS: tuple[Backend, ...] = ("cp_sat", "pyjobshop")


def solved(problem: Problem, **options: object) -> Solution:
    solution = solve(problem, seconds=5, workers=1, **options)  # type: ignore[arg-type]
    if solution.schedule:
        assert violations(problem, solution.schedule) == ()
    return solution


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_house_is_solved_and_proven(house: Problem, backend: Backend) -> None:
    solution = solved(house, backend=backend)
    assert (solution.status, solution.value, solution.lower_bound, solution.gap) == ("optimal", 13, 13, 0.0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("budget", "makespan"), [(100, 4), (60, 7), (59, 10)])
def test_the_budget_is_kept(trade: Problem, backend: Backend, budget: int, makespan: int) -> None:
    solution = solved(replace(trade, budget=budget), backend=backend)
    assert (solution.status, solution.value) == ("optimal", makespan)


@pytest.mark.parametrize(("horizon", "cost", "makespan"), [(4, 100, 4), (6, 100, 4), (9, 60, 7), (None, 20, 10)])
def test_the_least_cost_within_the_horizon_is_found_and_then_the_makespan(
    trade: Problem, horizon: int | None, cost: int, makespan: int
) -> None:
    solution = solved(replace(trade, horizon=horizon), objective="cost")
    assert solution.schedule
    assert (solution.status, solution.value, solution.schedule.makespan) == ("optimal", cost, makespan)


@pytest.mark.parametrize("limits", [{"budget": 19}, {"horizon": 3}])
def test_what_the_bounds_rule_out_is_infeasible_at_once(trade: Problem, limits: dict[str, int]) -> None:
    solution = solve(replace(trade, **limits), seconds=0)  # type: ignore[arg-type]
    assert (solution.schedule, solution.status, solution.solver) == (None, "infeasible", "bounds")
    assert solution.gap is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_only_search_rules_out_is_infeasible(trade: Problem, backend: Backend) -> None:
    """4 units cost 100 and 20 would last 10: each limit alone can be kept, both together cannot."""
    problem = replace(trade, horizon=6, budget=60)
    assert makespan_bound(problem) <= 6
    assert (solved(problem, backend=backend).status, solve(problem, seconds=0).status) == ("infeasible", "unknown")


def test_with_no_time_the_heuristic_answers_and_no_solver_is_imported() -> None:
    code = (
        "import sys\n"
        "from brain.l20.planning.problem import *\n"
        "from brain.l20.planning.solve import solve\n"
        "print(solve(Problem((Task('a', (Mode('m', 3),)),), ()), seconds=0).status)\n"
        "print([name for name in ('ortools', 'numpy', 'pyjobshop') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["optimal", "[]"]


def test_pyjobshop_minimises_no_cost(trade: Problem) -> None:
    with pytest.raises(SolveError, match="minimises no cost"):
        solve(trade, "cost", backend="pyjobshop")


@pytest.mark.parametrize(("seconds", "workers"), [(-1.0, 1), (math.nan, 1), (1.0, 0)])
def test_limits_that_are_none_are_refused(trade: Problem, seconds: float, workers: int) -> None:
    with pytest.raises(SolveError, match="seconds must be at least 0"):
        solve(trade, seconds=seconds, workers=workers)


@pytest.mark.parametrize("objective", ["makespan", "cost"])
def test_nothing_to_do_takes_no_time_and_costs_nothing(objective: str) -> None:
    solution = solved(Problem((), ()), objective=objective)
    assert (solution.status, solution.value, solution.gap) == ("optimal", 0, 0.0)


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_backends_agree_on_the_makespan(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    ours, theirs = solved(problem), solved(problem, backend="pyjobshop")
    assert (ours.status, ours.value) == (theirs.status, theirs.value)
    assert ours.status == "optimal"


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_the_least_cost_is_that_of_the_cheapest_modes_where_nothing_presses(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = replace(data.draw(problems), horizon=None)
    solution = solved(problem, objective="cost")
    cheapest = sum(min(mode.cost for mode in task.modes) for task in problem.tasks)
    assert (solution.status, solution.value) == ("optimal", cheapest)


def test_the_least_cost_before_a_deadline_is_proven(with_modes: Callable[[int, int], Problem]) -> None:
    """Neither all fast nor all cheap: the deadline lies half way between the shortest and the cheapest schedule."""
    base = with_modes(12, 1)
    shortest, cheapest = solve(base, seconds=0).schedule, solve(base, "cost", seconds=0).schedule
    assert shortest
    assert cheapest
    problem = replace(base, horizon=(shortest.makespan + cheapest.makespan) // 2)
    solution = solve(problem, "cost", seconds=20, workers=2)
    assert solution.schedule
    assert solution.status == "optimal"
    assert cheapest.cost(base) < solution.lower_bound == solution.schedule.cost(problem) < shortest.cost(base)


def test_a_mode_with_a_milestone_and_one_that_never_fits_are_handled() -> None:
    modes = (Mode("never", 1, {"r": 2}), Mode("long", 3, {"r": 1}), Mode("none", 0, {"r": 1}, 5))
    problem = Problem((Task("a", modes), Task("b", modes)), (Resource("r", 1),), budget=5)
    for backend in BACKENDS:
        assert solved(problem, backend=backend).value == 3
