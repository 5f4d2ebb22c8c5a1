"""Least makespan by two searches that share their best: one on the whole model for a proof, one on neighbourhoods.

The whole model is built anew at times, with the windows that the best schedule leaves; what is left of it then is only
what would be shorter, so that having no solution is the proof. Imports OR-Tools.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ortools.sat.python import cp_model

from brain.l20.planning.compact import Compact, State
from brain.l20.planning.cp_model import Model, add_hint, build, read, windows
from brain.l20.planning.heuristic import evolve
from brain.l20.planning.neighbourhood import improve, makespan
from brain.l20.planning.serial import by_start, forward, justify
from brain.l20.planning.solution import Found

FIRST_SHARE = 0.25
"""Of the time, for the whole model of a large project; then it is built anew or given up."""
LARGE_TASKS, HOPELESS_GAP = 50, 0.02
"""A proof is not near where more tasks than these have a larger gap then; the heuristic goes on instead."""
ALONE_SHARE = 0.4
"""Of the time, for the whole model, where one worker does both in turn."""


class Best:
    """The shortest schedule so far, and the bound; for several threads."""

    def __init__(self, project: Compact, state: State, ends: float) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._solver: cp_model.CpSolver | None = None
        self.state, self.value = state, makespan(project, state)
        self.bound = project.bound
        self.ends = ends

    @property
    def over(self) -> bool:
        """Whether nothing is left to search for, or no time."""
        return self.value <= self.bound or time.monotonic() >= self.ends

    def share(self, state: State) -> State | None:
        """Offer a schedule and take the shortest; None: it is over."""
        value = makespan(self._project, state)
        with self._lock:
            if value < self.value:
                self.state, self.value = state, value
            if self.over and self._solver:
                self._solver.stop_search()
            return None if self.over else self.state

    def prove(self, bound: int) -> None:
        """No schedule is shorter than this."""
        with self._lock:
            self.bound = max(self.bound, min(bound, self.value))

    def run(self, solver: cp_model.CpSolver, solve: Callable[[], cp_model.CpSolverStatus]) -> cp_model.CpSolverStatus:
        """Solve in a way that what is found elsewhere stops."""
        self._solver = solver
        if self.over:
            solver.parameters.max_time_in_seconds = 0.0
        try:
            return solve()
        finally:
            self._solver = None


def shortest(project: Compact, state: State, seconds: float, workers: int, seed: int) -> Found:
    """The shortest schedule that is found from `state`, which is within budget and horizon."""
    began = time.monotonic()
    best = Best(project, state, began + seconds)
    if workers == 1:
        _whole(project, best, [began + ALONE_SHARE * seconds], 1, seed)
        _stretches(project, best, seed)
    else:
        shares = (FIRST_SHARE, 1.0) if len(project) > LARGE_TASKS else (1.0,)
        with ThreadPoolExecutor(1, "stretches") as pool:
            beside = pool.submit(_stretches, project, best, seed)
            _whole(project, best, [began + share * seconds for share in shares], workers - 1, seed)
            beside.result()
    return Found(project.schedule(*best.state), best.bound)


def _stretches(project: Compact, best: Best, seed: int) -> None:
    if best.over:
        return
    state, proven = improve(project, best.state, best.ends, seed, best.share)
    best.share(state)
    if proven:
        best.prove(makespan(project, state))
        best.share(state)


def _whole(project: Compact, best: Best, until: list[float], workers: int, seed: int) -> None:
    for turn, moment in enumerate(until):
        if turn and _is_hopeless(project, best):
            evolve(project, seed + turn, best.share, best.ends - time.monotonic())
            return
        seconds = moment - time.monotonic()
        if best.over or seconds <= 0:
            continue
        latest_end = best.value - 1
        built = build(project, windows(project, latest_end), latest_end)
        built.model.minimize(built.makespan)
        add_hint(built, *best.state)
        solver = cp_model.CpSolver()
        _tune(solver, seconds, workers, seed, reason_longer=turn % 2 == 1)
        status = best.run(solver, lambda: solver.solve(built.model, _Offer(project, built, best)))  # noqa: B023
        if status == cp_model.INFEASIBLE:
            best.prove(latest_end + 1)
        else:
            best.prove(max(0, math.ceil(solver.best_objective_bound - 1e-6)))
            if status == cp_model.OPTIMAL:
                best.share(_justified(project, read(built, solver)))


def _is_hopeless(project: Compact, best: Best) -> bool:
    return len(project) > LARGE_TASKS and best.value - best.bound > HOPELESS_GAP * best.value


def _tune(solver: cp_model.CpSolver, seconds: float, workers: int, seed: int, reason_longer: bool) -> None:
    """Turns differ: longer reasoning about resources proves more on some projects and less on others."""
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    if workers == 1:
        solver.parameters.linearization_level = 0
    solver.parameters.use_timetable_edge_finding_in_cumulative = reason_longer
    solver.parameters.use_overload_checker_in_cumulative = reason_longer


class _Offer(cp_model.CpSolverSolutionCallback):
    """Shares each solution as it is found."""

    def __init__(self, project: Compact, built: Model, best: Best) -> None:
        super().__init__()
        self._project, self._built, self._best = project, built, best

    def on_solution_callback(self) -> None:
        """Justify it, offer it, and stop where it is over."""
        if self._best.share(_justified(self._project, read(self._built, self))) is None:
            self.stop_search()


def _justified(project: Compact, state: State) -> State:
    starts, modes = state
    return justify(project, forward(project, by_start(starts), modes), modes), modes
