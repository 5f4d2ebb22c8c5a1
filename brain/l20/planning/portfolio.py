"""Least makespan by two searches that share their best: one on the whole model for a proof, one on neighbourhoods.

Where no proof is near, the heuristic goes on in place of the whole model. Imports OR-Tools.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from brain.l20.planning.compact import Compact, State
from brain.l20.planning.heuristic import evolve
from brain.l20.planning.incumbent import Best
from brain.l20.planning.neighbourhood import improve, makespan
from brain.l20.planning.solution import Found
from brain.l20.planning.whole import decide, minimise

FIRST_SHARE = 0.25
"""Of the time, for the whole model of a large project; then it is built anew or given up."""
LARGE_TASKS, HOPELESS_GAP = 50, 0.02
"""A proof is not near where more tasks than these have a larger gap then; the heuristic goes on instead."""
HOPELESS_AT_ONCE = 6.0
"""Tasks times gap, above which a large project is not even tried whole."""
ALONE_SHARE = 0.4
"""Of the time, for the whole model, where one worker does both in turn."""


def shortest(project: Compact, state: State, seconds: float, workers: int, seed: int) -> Found:
    """The shortest schedule that is found from `state`, which is within budget and horizon."""
    began = time.monotonic()
    best = Best(state, partial(makespan, project), project.bound, began + seconds)
    shares = (ALONE_SHARE,) if workers == 1 else (FIRST_SHARE, 1.0)
    until = [began + share * seconds for share in shares]
    with ThreadPoolExecutor(1, "stretches") as pool:
        beside = None if workers == 1 else pool.submit(_stretches, project, best, seed)
        if len(project) > LARGE_TASKS:
            _whole(project, best, until, max(1, workers - 1), seed)
        else:
            decide(project, best, until[-1], max(1, workers - 1), seed)
        if beside:
            beside.result()
        else:
            _stretches(project, best, seed)
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
        if _is_hopeless(project, best, turn):
            _evolve(project, best, seed + turn, until[-1])
            return
        seconds = moment - time.monotonic()
        if not best.over and seconds > 0:
            minimise(project, best, seconds, workers, seed, reason_longer=turn % 2 == 1)


def _evolve(project: Compact, best: Best, seed: int, until: float) -> None:
    def share(state: State) -> State | None:
        shared = best.share(state)
        return shared if time.monotonic() < until else None

    evolve(project, seed, share, until - time.monotonic())


def _is_hopeless(project: Compact, best: Best, turn: int) -> bool:
    gap = (best.value - best.bound) / best.value if best.value else 0.0
    most = HOPELESS_GAP if turn else HOPELESS_AT_ONCE / len(project)
    return len(project) > LARGE_TASKS and gap > most
