"""The whole model, of which only what would be shorter is left, so that having no solution is the proof.

Imports OR-Tools.
"""

import math
import time

from ortools.sat.python import cp_model

from brain.l20.planning.compact import Compact, State
from brain.l20.planning.cp_model import Model, add_hint, build, read, windows
from brain.l20.planning.incumbent import Best
from brain.l20.planning.serial import by_start, forward, justify


def minimise(project: Compact, best: Best, seconds: float, workers: int, seed: int, reason_longer: bool) -> None:
    """The whole model, for the shortest schedule."""
    latest_end = best.value - 1
    built = build(project, windows(project, latest_end), latest_end)
    built.model.minimize(built.makespan)
    add_hint(built, *best.state)
    solver = cp_model.CpSolver()
    _tune(solver, seconds, workers, seed)
    solver.parameters.use_timetable_edge_finding_in_cumulative = reason_longer
    solver.parameters.use_overload_checker_in_cumulative = reason_longer
    status = best.run(solver, lambda: solver.solve(built.model, _Offer(project, built, best)))
    if status == cp_model.INFEASIBLE:
        best.prove(latest_end + 1)
    else:
        best.prove(max(0, math.ceil(solver.best_objective_bound - 1e-6)))
        if status == cp_model.OPTIMAL:
            best.share(_justified(project, read(built, solver)))


def decide(project: Compact, best: Best, until: float, workers: int, seed: int) -> None:
    """The whole model of a small project: any shorter schedule, again and again, until there is none.

    Without an objective proofs take less time than with one. A search that others overtake is begun anew.
    """
    while not best.over and (seconds := until - time.monotonic()) > 0:
        latest_end = best.value - 1
        built = build(project, windows(project, latest_end), latest_end)
        add_hint(built, *best.state)
        solver = cp_model.CpSolver()
        _tune(solver, seconds, workers, seed)
        solver.parameters.use_dynamic_precedence_in_disjunctive = True
        status = best.run(solver, lambda: solver.solve(built.model), beyond=latest_end)  # noqa: B023
        if status == cp_model.INFEASIBLE:
            best.prove(latest_end + 1)
        elif status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            best.share(_justified(project, read(built, solver)))


def _tune(solver: cp_model.CpSolver, seconds: float, workers: int, seed: int) -> None:
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = seed
    if workers == 1:
        solver.parameters.linearization_level = 0


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
