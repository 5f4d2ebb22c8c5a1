"""Serial schedule generation (Kelley 1963) and double justification (Valls, Ballestín and Quintanilla 2005)."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from brain.l20.planning.compact import Compact


def place(
    project: Compact,
    order: Iterable[int],
    before: Sequence[Sequence[int]],
    durations: Sequence[int],
    demands: Sequence[int],
) -> list[int]:
    """Start each task of `order` as early as its predecessors and the resources let it, in that order.

    What is free is kept as steps, so that the work depends on the number of tasks and not on the length of a unit.

    Args:
        project: For its capacities.
        order: Every task once, predecessors first.
        before: Predecessors of each task; the successors, to build from the end.
        durations: Of the chosen modes, in time units.
        demands: Of the chosen modes, packed.

    Returns:
        The start of each task, in time units.
    """
    guard = project.guard
    moments, free = [0], [project.free]  # the last step is always all free
    starts, ends = [0] * len(durations), [0] * len(durations)
    for task in order:
        earliest, demand, duration = 0, demands[task], durations[task]
        for predecessor in before[task]:
            if ends[predecessor] > earliest:
                earliest = ends[predecessor]
        if not demand:
            starts[task], ends[task] = earliest, earliest + duration
            continue
        first = last = bisect_right(moments, earliest) - 1
        start, end, steps = earliest, earliest + duration, len(moments)
        while last < steps and moments[last] < end:
            if (free[last] - demand) & guard == guard:
                last += 1
            else:
                first = last = last + 1
                start = moments[first]
                end = start + duration
        if last == steps or moments[last] != end:
            moments.insert(last, end)
            free.insert(last, free[last - 1])
        if moments[first] != start:
            first += 1
            last += 1
            moments.insert(first, start)
            free.insert(first, free[first - 1])
        for step in range(first, last):
            free[step] -= demand
        starts[task], ends[task] = start, end
    return starts


def forward(project: Compact, order: Iterable[int], modes: list[int]) -> list[int]:
    """Starts of the schedule that `order` stands for."""
    return place(project, order, project.before, project.durations(modes), project.demands(modes))


def justify(project: Compact, starts: list[int], modes: list[int]) -> list[int]:
    """Move every task to the right, last to end first, then to the left, first to start first; never longer."""
    durations, demands = project.durations(modes), project.demands(modes)
    tasks = range(len(starts))
    from_end = sorted(tasks, key=lambda task: (-starts[task] - durations[task], -task))
    mirrored = place(project, from_end, project.after, durations, demands)
    from_start = sorted(tasks, key=lambda task: (-mirrored[task] - durations[task], task))
    return place(project, from_start, project.before, durations, demands)


def by_start(starts: Sequence[int]) -> list[int]:
    """Tasks by start, predecessors first."""
    return sorted(range(len(starts)), key=lambda task: (starts[task], task))
