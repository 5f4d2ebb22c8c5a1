"""One way to ask for a schedule, whoever makes it: bounds, heuristic, CP-SAT or PyJobShop; what leaves is checked.

Solvers are imported when they are needed: an answer of the heuristic needs none.
"""

import time
from collections.abc import Callable
from typing import Literal

from brain.l20.planning.bounds import cost_bound, makespan_bound
from brain.l20.planning.check import check
from brain.l20.planning.heuristic import heuristic
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.solution import Found, Objective, Solution, Status

Backend = Literal["cp_sat", "pyjobshop"]

HEURISTIC_SECONDS = 0.15
HEURISTIC_SHARE: dict[Objective, float] = {"makespan": 0.03, "cost": 0.1}
"""Of the time, for the heuristic to find where the solver begins; under the makespan it goes on beside the solver."""


class SolveError(ValueError):
    """A question that no backend answers."""


def solve(
    problem: Problem,
    objective: Objective = "makespan",
    seconds: float = 10.0,
    workers: int = 2,
    seed: int = 0,
    backend: Backend = "cp_sat",
) -> Solution:
    """The best schedule that is found in the time, and what is proven about it.

    Args:
        problem: The project; its horizon and budget are kept.
        objective: Makespan; or cost, and among schedules that cost the same the makespan.
        seconds: Wall time; 0: the heuristic's answer, within 200 ms for 120 tasks.
        workers: Threads of the solver.
        seed: Of all random draws; on a busy machine time limits make answers differ all the same.
        backend: Our own model, or PyJobShop, which knows no cost objective.

    Raises:
        SolveError: PyJobShop is asked for the least cost, or seconds or workers are out of range.
    """
    if backend == "pyjobshop" and objective == "cost":
        raise SolveError("PyJobShop minimises no cost; use backend='cp_sat'")
    if not seconds >= 0 or workers < 1:
        raise SolveError(f"seconds must be at least 0 and workers at least 1, got {seconds} and {workers}")
    began = time.monotonic()

    def answer(schedule: Schedule | None, bound: int, solver: str, infeasible: bool = False) -> Solution:
        value = None if schedule is None else _value(problem, check(problem, schedule), objective)
        proven = bound if value is None else min(bound, value)
        return Solution(
            schedule, _status(value, proven, infeasible), objective, value, proven, time.monotonic() - began, solver
        )

    shortest, cheapest = makespan_bound(problem), cost_bound(problem)
    bound = shortest if objective == "makespan" else cheapest
    if _exceeds(shortest, problem.horizon) or _exceeds(cheapest, problem.budget):
        return answer(None, bound, "bounds", infeasible=True)
    share = max(HEURISTIC_SECONDS, HEURISTIC_SHARE[objective] * seconds)
    start = heuristic(problem, objective, min(seconds, share) if seconds else share, seed)
    if seconds == 0 or (objective == "makespan" and start and start.makespan == bound):
        return answer(start, bound, "heuristic")
    search = _backend(backend)
    left = max(0.01, seconds - (time.monotonic() - began))
    found = search(problem, objective, start, left, workers, seed)
    best = _better(problem, objective, start, found.schedule)
    return answer(best, max(bound, found.bound), backend, found.infeasible and best is None)


Solver = Callable[[Problem, Objective, Schedule | None, float, int, int], Found]


def _backend(name: Backend) -> Solver:
    if name == "pyjobshop":
        from brain.l20.planning import pyjobshop_backend

        return pyjobshop_backend.search
    from brain.l20.planning import cp_sat

    return cp_sat.search


def _value(problem: Problem, schedule: Schedule, objective: Objective) -> int:
    return schedule.makespan if objective == "makespan" else schedule.cost(problem)


def _better(problem: Problem, objective: Objective, one: Schedule | None, two: Schedule | None) -> Schedule | None:
    """The one with the smaller objective; where both are the same, with the smaller other one."""

    def score(schedule: Schedule) -> tuple[int, int]:
        makespan, cost = schedule.makespan, schedule.cost(problem)
        return (makespan, cost) if objective == "makespan" else (cost, makespan)

    return min((each for each in (one, two) if each), key=score, default=None)


def _status(value: int | None, bound: int, infeasible: bool) -> Status:
    if value is None:
        return "infeasible" if infeasible else "unknown"
    return "optimal" if value == bound else "feasible"


def _exceeds(bound: int, limit: int | None) -> bool:
    return limit is not None and bound > limit
