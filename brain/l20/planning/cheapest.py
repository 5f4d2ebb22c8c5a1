"""Least cost by two searches that share their best: one on the whole model for a proof, one on the modes of few tasks.

The second frees the modes of some tasks and every start, and asks CP-SAT for something cheaper: large-neighbourhood
search (Shaw 1998) on the modes. Imports OR-Tools.
"""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from ortools.sat.python import cp_model

from brain.l20.planning.compact import Compact, State
from brain.l20.planning.cp_model import Model, add_hint, build, read, windows
from brain.l20.planning.incumbent import Best
from brain.l20.planning.serial import by_start, forward

FIRST_SIZE, SMALLEST_SIZE = 10, 4
"""Tasks whose modes are free: one more after a proof that nothing is cheaper, one less after one that took long."""
SHARE_EACH, LEAST_EACH, MOST_EACH = 0.07, 0.1, 1.0
"""Time for one step: a share of all time, within limits in seconds."""
ALONE_SHARE = 0.5
"""Of the time, for the modes of few tasks, where one worker does both in turn."""


def cheapest(
    project: Compact, state: State, bound: int, latest_end: int, seconds: float, workers: int, seed: int
) -> tuple[State, int]:
    """The cheapest schedule that is found from `state`, and a bound on the cost.

    Args:
        project: The project.
        state: Within budget and `latest_end`.
        bound: No schedule costs less, in minor units.
        latest_end: Of all tasks, in time units.
        seconds: Wall time.
        workers: Threads.
        seed: Of the random draws.
    """
    ends = time.monotonic() + seconds
    best = Best(state, lambda each: project.cost(each[1]), bound, ends)
    with ThreadPoolExecutor(1, "modes") as pool:
        if workers == 1:
            _few(project, best, latest_end, ends - (1 - ALONE_SHARE) * seconds, seed)
            _all(project, best, latest_end, 1, seed)
        else:
            beside = pool.submit(_few, project, best, latest_end, ends, seed)
            _all(project, best, latest_end, workers - 1, seed)
            beside.result()
    return best.state, best.bound


def _all(project: Compact, best: Best, latest_end: int, workers: int, seed: int) -> None:
    """Any cheaper schedule of the whole model; its bound counts as it grows."""
    left = best.ends - time.monotonic()
    if best.over or left <= 0:
        return
    limit = best.value - 1
    built = _model(project, best.state, limit, latest_end)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = left
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    solver.best_bound_callback = lambda bound: best.prove(math.ceil(bound - 1e-6)) if math.isfinite(bound) else None
    status = best.run(solver, lambda: solver.solve(built.model, _Offer(project, built, best)))
    if status == cp_model.INFEASIBLE:
        best.prove(limit + 1)
    else:
        best.prove(max(0, math.ceil(solver.best_objective_bound - 1e-6)))
        if status == cp_model.OPTIMAL:
            best.share(_placed(project, read(built, solver)))


def _few(project: Compact, best: Best, latest_end: int, until: float, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    size = min(FIRST_SIZE, len(project.several))
    each = min(max(LEAST_EACH, SHARE_EACH * (until - time.monotonic())), MOST_EACH)
    while not best.over and (left := until - time.monotonic()) > 0:
        state, limit = best.state, best.value - 1
        free = _drawn(project, state, random, size)
        built = _model(project, state, limit, latest_end)
        for task in set(project.several) - free:
            built.model.add((built.presences[task] or [])[state[1][task]] == 1)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = min(each, left)
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = random.randrange(2**30)
        solver.parameters.linearization_level = 0
        status = solver.solve(built.model)
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            best.share(_placed(project, read(built, solver)))
        elif status != cp_model.INFEASIBLE:
            size = max(size - 1, min(SMALLEST_SIZE, len(project.several)))
        elif size == len(project.several):
            best.prove(limit + 1)
        else:
            size += 1


def _drawn(project: Compact, state: State, random: Random, size: int) -> set[int]:
    """Tasks with several modes: near a moment or anywhere, in turn by chance."""
    if random.random() < 0.5:
        return set(random.sample(project.several, size))
    starts, _ = state
    moment = starts[random.choice(project.several)]
    return set(sorted(project.several, key=lambda task: (abs(starts[task] - moment), random.random()))[:size])


def _model(project: Compact, state: State, limit: int, latest_end: int) -> Model:
    """All schedules that cost no more than the limit, the cheapest of which is sought near a state."""
    built = build(project, windows(project, latest_end), latest_end)
    built.model.add(built.cost <= limit)
    built.model.minimize(built.cost)
    add_hint(built, *state)
    return built


def _placed(project: Compact, state: State) -> State:
    starts, modes = state
    return forward(project, by_start(starts), modes), modes


class _Offer(cp_model.CpSolverSolutionCallback):
    """Shares each solution as it is found."""

    def __init__(self, project: Compact, built: Model, best: Best) -> None:
        super().__init__()
        self._project, self._built, self._best = project, built, best

    def on_solution_callback(self) -> None:
        """Offer it, and stop where it is over."""
        if self._best.share(_placed(self._project, read(self._built, self))) is None:
            self.stop_search()
