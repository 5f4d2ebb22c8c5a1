"""Why there is no schedule: which limits collide, and how far each of them alone would have to give way.

Limits are the horizon, the budget and the capacity of each resource. The solver is imported when bounds and heuristic
leave a question open.
"""

import time
from dataclasses import dataclass, replace
from typing import Literal

from brain.l20.planning.bounds import cost_bound, makespan_bound
from brain.l20.planning.check import check
from brain.l20.planning.compact import compact
from brain.l20.planning.heuristic import heuristic
from brain.l20.planning.problem import Problem, Resource, Schedule
from brain.l20.planning.solve import solve

Kind = Literal["horizon", "budget", "resource"]

LEAST_SECONDS = 0.2
QUESTIONS_A_RESOURCE = 4
"""Guess of how many capacities are tried; it only divides the time."""


@dataclass(frozen=True)
class Limit:
    """One limit of a problem; `name` is that of a resource, and empty for the others."""

    kind: Kind
    name: str = ""


@dataclass(frozen=True)
class Change:
    """What one limit would have to be, all others kept.

    Attributes:
        limit: Which.
        now: Its value.
        needed: The smallest value that was found to do; None: none was found.
        proven: Whether nothing less does; where `needed` is None, whether nothing does at all.
        schedule: One that keeps the changed limit and all others.
    """

    limit: Limit
    now: int
    needed: int | None
    proven: bool
    schedule: Schedule | None


@dataclass(frozen=True)
class Diagnosis:
    """Why there is no schedule.

    Attributes:
        infeasible: True: proven; False: there is a schedule; None: neither was shown in the time.
        conflict: Limits that cannot be kept together, empty where `infeasible` is not True.
        minimal: Whether it is shown that without any one of them the rest can be kept.
        changes: One a limit of the problem, where `infeasible` is not False.
    """

    infeasible: bool | None
    conflict: tuple[Limit, ...]
    minimal: bool
    changes: tuple[Change, ...]


def diagnose(problem: Problem, seconds: float = 10.0, workers: int = 2, seed: int = 0) -> Diagnosis:
    """Which limits collide, and the smallest change of each alone that lets a schedule be.

    The conflict is found by leaving out one limit after the other (deletion filter, Chinneck and Dravnieks 1991).

    Args:
        problem: One that has no schedule, or seems to have none.
        seconds: Wall time, shared among all questions; each has at least 0.2 s.
        workers: Threads of the solver.
        seed: Of all random draws.
    """
    limits = _limits(problem)
    questions = 1 + len(limits) + 2 + QUESTIONS_A_RESOURCE * len(problem.resources)
    ask = _Asker(max(LEAST_SECONDS, seconds / questions), workers, seed)
    possible, _ = ask.possible(problem)
    if possible:
        return Diagnosis(False, (), False, ())
    conflict, minimal = _conflict(problem, limits, ask) if possible is False else ((), False)
    return Diagnosis(
        possible is False or None, conflict, minimal, tuple(_change(problem, each, ask) for each in limits)
    )


@dataclass(frozen=True)
class _Asker:
    """Puts questions to bounds, heuristic and solver, in this order."""

    seconds: float
    workers: int
    seed: int

    def possible(self, problem: Problem) -> tuple[bool | None, Schedule | None]:
        """Whether there is a schedule, and it; None: not shown in the time."""
        ends = time.monotonic() + self.seconds
        horizon, budget = problem.horizon, problem.budget
        if horizon is not None and makespan_bound(problem) > horizon:
            return False, None
        if budget is not None and cost_bound(problem) > budget:
            return False, None
        schedule = heuristic(problem, seconds=min(0.15, self.seconds / 2), seed=self.seed, samples=100)
        if schedule is None:
            from brain.l20.planning import cp_sat

            left = max(0.05, ends - time.monotonic())
            found = cp_sat.plain(compact(problem), None, None, left, self.workers, self.seed)
            if found.infeasible:
                return False, None
            schedule = found.schedule
        return (True, check(problem, schedule)) if schedule else (None, None)


def _limits(problem: Problem) -> list[Limit]:
    """Those that somebody set, from the one that is given up most easily to the hardest."""
    found = [Limit("horizon")] if problem.horizon is not None else []
    found += [Limit("budget")] if problem.budget is not None else []
    return found + [Limit("resource", each.name) for each in problem.resources]


def _conflict(problem: Problem, limits: list[Limit], ask: _Asker) -> tuple[tuple[Limit, ...], bool]:
    kept, minimal = list(limits), True
    for limit in reversed(limits):
        without = _without(problem, limit)
        possible, _ = ask.possible(without)
        if possible is False:
            kept.remove(limit)
            problem = without
        minimal = minimal and possible is not None
    return tuple(kept), minimal


def _change(problem: Problem, limit: Limit, ask: _Asker) -> Change:
    if limit.kind == "resource":
        return _change_capacity(problem, limit, ask)
    now = problem.horizon if limit.kind == "horizon" else problem.budget
    solution = solve(
        _without(problem, limit),
        "makespan" if limit.kind == "horizon" else "cost",
        seconds=ask.seconds,
        workers=ask.workers,
        seed=ask.seed,
    )
    return Change(limit, now or 0, solution.value, solution.status in ("optimal", "infeasible"), solution.schedule)


def _change_capacity(problem: Problem, limit: Limit, ask: _Asker) -> Change:
    """Halving: what is possible with some units is possible with more."""
    now, high = problem.capacity[limit.name], _plenty(problem, limit.name)
    possible, schedule = ask.possible(_with_capacity(problem, limit.name, high))
    if not possible:
        return Change(limit, now, None, possible is False, None)
    low, proven = now, True
    while high - low > 1:
        middle = (low + high) // 2
        possible, found = ask.possible(_with_capacity(problem, limit.name, middle))
        proven = proven and possible is not None
        low, high, schedule = (low, middle, found) if possible else (middle, high, schedule)
    return Change(limit, now, high, proven, schedule)


def _without(problem: Problem, limit: Limit) -> Problem:
    if limit.kind == "horizon":
        return replace(problem, horizon=None)
    if limit.kind == "budget":
        return replace(problem, budget=None)
    return _with_capacity(problem, limit.name, _plenty(problem, limit.name))


def _plenty(problem: Problem, name: str) -> int:
    """So much of a resource that all tasks could run at once."""
    total = sum(max(mode.demands.get(name, 0) for mode in task.modes) for task in problem.tasks)
    return max(problem.capacity[name] + 1, total)


def _with_capacity(problem: Problem, name: str, capacity: int) -> Problem:
    resources = (Resource(each.name, capacity if each.name == name else each.capacity) for each in problem.resources)
    return replace(problem, resources=tuple(resources))
