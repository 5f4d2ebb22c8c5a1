"""CP-SAT on our own model: makespan, or cost and then makespan. Imports OR-Tools."""

import math
import time

from ortools.sat.python import cp_model

from brain.l20.planning.compact import Compact, compact
from brain.l20.planning.cp_model import Model, add_hint, build, read, windows
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.serial import by_start, forward
from brain.l20.planning.solution import Found, Objective

COST_SHARE = 0.8
"""Of the time, for the cost; the rest is for the makespan at that cost."""


def search(
    problem: Problem, objective: Objective, start: Schedule | None, seconds: float, workers: int, seed: int
) -> Found:
    """The best schedule that ends no later than `start` under the makespan objective, or costs no more under cost."""
    project = compact(problem)
    if objective == "makespan":
        return shortest(project, start, seconds, workers, seed)
    return _cheapest(project, start, seconds, workers, seed)


def shortest(
    project: Compact, start: Schedule | None, seconds: float, workers: int, seed: int, most_cost: int | None = None
) -> Found:
    """Least makespan, of schedules that cost at most `most_cost`."""
    latest_end = start.makespan if start else _latest_end(project)
    built = build(project, windows(project, latest_end), latest_end)
    if most_cost is not None:
        built.model.add(built.cost <= most_cost)
    built.model.minimize(built.makespan)
    return _run(project, built, start, seconds, workers, seed)


def _cheapest(project: Compact, start: Schedule | None, seconds: float, workers: int, seed: int) -> Found:
    ends = time.monotonic() + seconds
    latest_end = _latest_end(project)
    built = build(project, windows(project, latest_end), latest_end)
    if start:
        built.model.add(built.cost <= start.cost(project.problem))
    built.model.minimize(built.cost)
    found = _run(project, built, start, seconds * COST_SHARE, workers, seed)
    left = ends - time.monotonic()
    if found.schedule is None or left <= 0:
        return found
    cost = found.schedule.cost(project.problem)
    shorter = shortest(project, found.schedule, left, workers, seed, cost)
    return Found(shorter.schedule or found.schedule, found.bound)


def _run(project: Compact, built: Model, start: Schedule | None, seconds: float, workers: int, seed: int) -> Found:
    if start:
        add_hint(built, *project.read(start))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    status = solver.solve(built.model)
    if status == cp_model.INFEASIBLE:
        return Found(None, 0, infeasible=True)
    bound = max(0, math.ceil(solver.best_objective_bound - 1e-6))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Found(None, bound)
    starts, modes = read(built, solver)
    compacted = forward(project, by_start(starts), modes)
    return Found(project.schedule(compacted, modes), bound)


def _latest_end(project: Compact) -> int:
    """The horizon; without one, all tasks one after the other in their longest modes."""
    horizon = project.problem.horizon
    longest = sum(choices[-1].duration for choices in project.choices)
    return longest if horizon is None else min(horizon, longest)
