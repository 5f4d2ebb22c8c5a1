"""Cheaper modes for a schedule that ends before the horizon: task by task, as long as the horizon is met."""

import time
from random import Random

from brain.l20.planning.compact import Compact, State
from brain.l20.planning.serial import by_start, forward, justify

KICKED = 4
"""Tasks that are put back into their shortest mode before each further descent."""


def cheapen(
    project: Compact, state: State, horizon: int, ends: float, random: Random, most: int | None = None
) -> State:
    """Iterated descent (Lourenço, Martin and Stützle 2003) on the cost, until the moment `ends` of the monotonic clock.

    Args:
        project: The project.
        state: A schedule within the horizon.
        horizon: Latest end of all tasks, in time units.
        ends: In seconds of `time.monotonic`.
        random: Draws the tasks.
        most: Most descents; None: as many as the time allows.

    Returns:
        A schedule within the horizon that costs no more.
    """
    best = current = _descend(project, state, horizon, ends, random)
    least, count = sum(min(choice.cost for choice in choices) for choices in project.choices), 1
    while project.several and count != most and time.monotonic() < ends and project.cost(best[1]) > least:
        count += 1
        modes = list(current[1])
        for task in random.sample(project.several, min(KICKED, len(project.several))):
            modes[task] = 0
        kicked = _fitting(project, current[0], modes, horizon)
        current = _descend(project, kicked, horizon, ends, random) if kicked else best
        if project.cost(current[1]) <= project.cost(best[1]):
            best = current
        else:
            current = best
    return best


def _descend(project: Compact, state: State, horizon: int, ends: float, random: Random) -> State:
    """Try the cheaper modes of every task, cheapest first; tasks that could save most come first, roughly."""
    starts, modes = state
    cheapest = [min(choice.cost for choice in choices) for choices in project.choices]
    worth = [
        (choices[mode].cost - least) * random.random()
        for choices, mode, least in zip(project.choices, modes, cheapest, strict=True)
    ]
    for task in sorted(project.several, key=lambda each: -worth[each]):
        choices = project.choices[task]
        cheaper = [place for place, choice in enumerate(choices) if choice.cost < choices[modes[task]].cost]
        for place in sorted(cheaper, key=lambda each: choices[each].cost):
            if time.monotonic() >= ends:
                return starts, modes
            changed = modes[:task] + [place] + modes[task + 1 :]
            fitting = _fitting(project, starts, changed, horizon)
            if fitting:
                starts, modes = fitting
                break
    return starts, modes


def _fitting(project: Compact, starts: list[int], modes: list[int], horizon: int) -> State | None:
    """The same order with these modes; justified if it is late."""
    placed = forward(project, by_start(starts), modes)
    if _makespan(project, placed, modes) > horizon:
        placed = justify(project, placed, modes)
    return (placed, modes) if _makespan(project, placed, modes) <= horizon else None


def _makespan(project: Compact, starts: list[int], modes: list[int]) -> int:
    return max((start + each for start, each in zip(starts, project.durations(modes), strict=True)), default=0)
