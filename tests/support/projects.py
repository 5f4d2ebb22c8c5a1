"""Schedules of the tests' projects."""

from typing import Any

from brain.l20.planning.heuristic import heuristic
from brain.l20.planning.problem import Problem, Schedule, Slot

HOUSE_AT_BEST = Schedule(
    {
        "ground": Slot("ground", "only", 0, 3),
        "walls": Slot("walls", "only", 3, 7),
        "roof": Slot("roof", "only", 7, 9),
        "garden": Slot("garden", "only", 9, 13),
        "done": Slot("done", "only", 13, 13),
    }
)
"""Of the project `house`."""


def planned(problem: Problem, **options: Any) -> Schedule:
    """The heuristic's schedule of a project that has one."""
    schedule = heuristic(problem, **options)
    assert schedule is not None
    return schedule
