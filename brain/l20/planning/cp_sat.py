"""CP-SAT on our own model: makespan, or cost and then makespan. Imports OR-Tools."""

import math
import time
from dataclasses import replace

from ortools.sat.python import cp_model

from brain.l20.planning.bounds import cost_bound
from brain.l20.planning.cheapest import cheapest
from brain.l20.planning.compact import Compact, compact
from brain.l20.planning.cp_model import add_hint, build, read, windows
from brain.l20.planning.portfolio import shortest
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.serial import by_start, forward
from brain.l20.planning.solution import Found, Objective

COST_SHARE = 0.8
"""Of the time, for the cost; the rest is for the makespan at that cost."""


def search(
    problem: Problem, objective: Objective, start: Schedule | None, seconds: float, workers: int, seed: int
) -> Found:
    """The best schedule that is found from `start`, and a bound on the objective."""
    project = compact(problem)
    if objective == "cost":
        return _cheapest(project, start, seconds, workers, seed)
    if start:
        return shortest(project, project.read(start), seconds, workers, seed)
    return plain(project, None, "makespan", seconds, workers, seed)


def plain(
    project: Compact, start: Schedule | None, objective: Objective | None, seconds: float, workers: int, seed: int
) -> Found:
    """The whole model and one objective, as the solver comes; without objective any schedule ends the search."""
    latest_end = _latest_end(project)
    if start and objective == "makespan":
        latest_end = min(latest_end, start.makespan)
    built = build(project, windows(project, latest_end), latest_end)
    if objective:
        built.model.minimize(built.makespan if objective == "makespan" else built.cost)
    if start:
        add_hint(built, *project.read(start))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    status = solver.solve(built.model)
    if status == cp_model.INFEASIBLE:
        return Found(None, 0, infeasible=True)
    bound = max(0, math.ceil(solver.best_objective_bound - 1e-6)) if objective else 0
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Found(None, bound)
    starts, modes = read(built, solver)
    return Found(project.schedule(forward(project, by_start(starts), modes), modes), bound)


def _cheapest(project: Compact, start: Schedule | None, seconds: float, workers: int, seed: int) -> Found:
    """Cost first; then the makespan within a budget of that cost."""
    ends = time.monotonic() + seconds
    problem, bound = project.problem, cost_bound(project.problem)
    if start is None:
        found = plain(project, None, "cost", seconds * COST_SHARE, workers, seed)
        start, bound = found.schedule, max(bound, found.bound)
        if start is None:
            return found
    elif start.cost(problem) > bound:
        latest_end = _latest_end(project)
        state, bound = cheapest(project, project.read(start), bound, latest_end, seconds * COST_SHARE, workers, seed)
        start = project.schedule(*state)
    capped = compact(replace(problem, budget=start.cost(problem)))
    left = max(0.01, ends - time.monotonic())
    return Found(shortest(capped, capped.read(start), left, workers, seed).schedule, bound)


def _latest_end(project: Compact) -> int:
    """The horizon; without one, all tasks one after the other in their longest modes."""
    horizon = project.problem.horizon
    longest = sum(choices[-1].duration for choices in project.choices)
    return longest if horizon is None else min(horizon, longest)
