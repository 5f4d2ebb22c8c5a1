"""What is measured: each method gets a project, seconds and workers, and gives one run; solvers are imported within."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from brain.l20.planning.check import check
from brain.l20.planning.compact import compact
from brain.l20.planning.problem import Problem
from brain.l20.planning.solution import Found
from brain.l20.planning.solve import solve


@dataclass(frozen=True)
class Run:
    """One method on one project.

    Attributes:
        makespan: In time units; None: no schedule was found.
        bound: No schedule is shorter, in time units.
        seconds: Wall time.
        cpu_seconds: Of all threads; less than `seconds` times workers where the machine had other work.
    """

    makespan: int | None
    bound: int
    seconds: float
    cpu_seconds: float


Search = Callable[[Problem, float, int], Found]
AT_ONCE = "heuristic"
"""The method that has no time but its own 200 ms."""


def measured(method: str, problem: Problem, seconds: float, workers: int) -> Run:
    """Run a method of `METHODS`; its schedule passes the checker before it counts.

    Raises:
        ScheduleError: The schedule breaks a rule of the project.
    """
    began, worked = time.monotonic(), time.process_time()
    found = METHODS[method](problem, seconds, workers)
    took, cpu = time.monotonic() - began, time.process_time() - worked
    value = None if found.schedule is None else check(problem, found.schedule).makespan
    return Run(value, found.bound, took, cpu)


def _heuristic(problem: Problem, seconds: float, workers: int) -> Found:
    solution = solve(problem, seconds=0)
    return Found(solution.schedule, solution.lower_bound)


def _plain(problem: Problem, seconds: float, workers: int) -> Found:
    """Our model and the solver as it comes: no start, no search of ours."""
    from brain.l20.planning import cp_sat

    return cp_sat.plain(compact(problem), None, "makespan", seconds, workers, 0)


def _pyjobshop(problem: Problem, seconds: float, workers: int) -> Found:
    """PyJobShop as it comes."""
    from brain.l20.planning import pyjobshop_backend

    return pyjobshop_backend.search(problem, "makespan", None, seconds, workers, 0)


def _ours(problem: Problem, seconds: float, workers: int) -> Found:
    """What a caller of `solve` gets."""
    solution = solve(problem, seconds=seconds, workers=workers)
    return Found(solution.schedule, solution.lower_bound)


PLAIN = "plain CP-SAT"
METHODS: dict[str, Search] = {AT_ONCE: _heuristic, PLAIN: _plain, "PyJobShop": _pyjobshop, "ours": _ours}
