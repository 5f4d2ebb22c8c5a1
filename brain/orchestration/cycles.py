"""Finds a cycle."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def a_cycle(after: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Nodes of one cycle, each coming after the next and the last after the first; none where there is no cycle.

    Args:
        after: What each node comes after.
    """
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        # The standard library walks from a node to what comes after it, and repeats the first at the end.
        return tuple(reversed(error.args[1][1:]))
    return ()
