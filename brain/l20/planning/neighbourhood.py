"""Large-neighbourhood search on the makespan (Shaw 1998): a stretch of the schedule is taken out and put back shorter.

Tasks near a moment are free; what comes before them stays, what comes after them moves one unit to the left as it is
(in the manner of Palpant, Artigues and Michelon 2004). The small problem that is left is solved to a proof or dropped
after a moment; each shorter schedule is justified, which often makes it shorter still. Imports OR-Tools.
"""

import time
from collections.abc import Callable
from random import Random

from ortools.sat.python import cp_model

from brain.l20.planning.compact import Compact, State
from brain.l20.planning.cp_model import add_hint, build, read, windows
from brain.l20.planning.serial import by_start, forward, justify

FIRST_SIZE = 16.0
SMALLEST_SIZE = 4.0
GROWTH = 1.15
"""Of the number of free tasks, after a proof that a stretch cannot be shorter; its inverse after one that took long."""
SHARE_EACH, LEAST_EACH, MOST_EACH = 0.07, 0.1, 2.0
"""Time for one stretch: a share of all time, within limits in seconds."""


def improve(
    project: Compact,
    state: State,
    ends: float,
    seed: int,
    share: Callable[[State], State | None],
    size: float = FIRST_SIZE,
) -> tuple[State, bool]:
    """Search until the moment `ends` of the monotonic clock, or until nothing shorter can exist.

    Args:
        project: The project.
        state: Where to begin; within budget and horizon.
        ends: In seconds of `time.monotonic`.
        seed: Of the draws.
        share: Is given the best state before each step and answers where to go on; None: stop.
        size: Tasks that are free at first.

    Returns:
        The shortest schedule, and whether it is proven that none is shorter.
    """
    random = Random(seed)  # noqa: S311 - no secret
    each = min(max(LEAST_EACH, SHARE_EACH * (ends - time.monotonic())), MOST_EACH)
    while (best := share(state)) and (left := ends - time.monotonic()) > 0:
        state = best
        value = makespan(project, state)
        if value <= project.bound:
            return state, True
        free = _near_a_moment(project, state, random, round(size))
        shorter, status = _shorten(project, state, value - 1, free, min(left, each), random.randrange(2**30))
        if shorter:
            state = shorter
        elif status != cp_model.INFEASIBLE:
            size = max(size / GROWTH, SMALLEST_SIZE)
        elif len(free) == len(project):
            return state, True
        else:
            size = min(size * GROWTH + 0.1, len(project))
    return state, False


def makespan(project: Compact, state: State) -> int:
    """When the last task ends."""
    starts, modes = state
    return max((start + each for start, each in zip(starts, project.durations(modes), strict=True)), default=0)


def _near_a_moment(project: Compact, state: State, random: Random, size: int) -> set[int]:
    """The `size` tasks around a random task, by their middles."""
    middles = _middles(project, state)
    moment = random.choice(middles)
    return set(sorted(range(len(project)), key=lambda task: (abs(middles[task] - moment), task))[:size])


def _shorten(
    project: Compact, state: State, latest_end: int, free: set[int], seconds: float, seed: int
) -> tuple[State | None, cp_model.CpSolverStatus]:
    """Put the free tasks back so that all ends by `latest_end`, one unit before it does now."""
    starts, modes = state
    middles = _middles(project, state)
    moment = sum(middles[task] for task in free) / len(free)
    allowed = windows(project, latest_end)
    for task, start in enumerate(starts):
        if task not in free:
            kept = start if middles[task] < moment else start - 1
            if not allowed[task][0] <= kept <= allowed[task][1]:
                return None, cp_model.INFEASIBLE
            allowed[task] = (kept, kept)
    built = build(project, allowed, latest_end)
    for task, literals in enumerate(built.presences):
        if literals and task not in free:
            built.model.add(literals[modes[task]] == 1)
    add_hint(built, starts, modes)
    solver = cp_model.CpSolver()
    _tune(solver, seconds, seed)
    status = solver.solve(built.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None, status
    found, chosen = read(built, solver)
    return (justify(project, forward(project, by_start(found), chosen), chosen), chosen), status


def _tune(solver: cp_model.CpSolver, seconds: float, seed: int) -> None:
    """For many small problems, one after the other: no linear relaxation, little preparation."""
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.linearization_level = 0
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.symmetry_level = 0


def _middles(project: Compact, state: State) -> list[int]:
    """Twice the middle of each task."""
    starts, modes = state
    return [2 * start + duration for start, duration in zip(starts, project.durations(modes), strict=True)]
