"""Priority rules: a number a task, smallest first (Kolisch 1996 compares them for serial generation)."""

import heapq
from collections.abc import Sequence

from brain.l20.planning.compact import Compact


def priorities(project: Compact, modes: list[int]) -> dict[str, list[float]]:
    """Priority of each task under each rule, for the durations of the chosen modes.

    Weights are positional in the sense of Helgeson and Birnie (1961): a task's own duration and those of all that
    come after it.
    """
    durations = project.durations(modes)
    heads, left = _heads(project, durations), _tails(project, durations)
    length = max((head + duration for head, duration in zip(heads, durations, strict=True)), default=0)
    followers = _followers(project)
    finish = [float(length - tail) for tail in left]
    latest = [end - duration for end, duration in zip(finish, durations, strict=True)]
    weight = [
        duration + sum(durations[task] for task in after) for duration, after in zip(durations, followers, strict=True)
    ]
    work = [choices[mode].work for choices, mode in zip(project.choices, modes, strict=True)]
    return {
        "latest_finish": finish,
        "latest_start": latest,
        "minimum_slack": [start - head for start, head in zip(latest, heads, strict=True)],
        "greatest_rank_positional_weight": [-float(each) for each in weight],
        "most_successors": [-float(len(after)) for after in followers],
        "greatest_work": [-each for each in work],
        "shortest": [float(each) for each in durations],
    }


def ordered(project: Compact, priority: Sequence[float]) -> list[int]:
    """Every task, predecessors first, and otherwise by priority."""
    waiting = [len(each) for each in project.before]
    ready = [(priority[task], task) for task, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, task = heapq.heappop(ready)
        order.append(task)
        for successor in project.after[task]:
            waiting[successor] -= 1
            if not waiting[successor]:
                heapq.heappush(ready, (priority[successor], successor))
    return order


def _heads(project: Compact, durations: list[int]) -> list[int]:
    heads: list[int] = []
    for before in project.before:
        heads.append(max((heads[each] + durations[each] for each in before), default=0))
    return heads


def _tails(project: Compact, durations: list[int]) -> list[int]:
    left = [0] * len(durations)
    for task in reversed(range(len(durations))):
        left[task] = max((left[each] + durations[each] for each in project.after[task]), default=0)
    return left


def _followers(project: Compact) -> list[set[int]]:
    """All tasks that come after each, directly or not."""
    found: list[set[int]] = [set() for _ in project.after]
    for task in reversed(range(len(found))):
        for successor in project.after[task]:
            found[task] |= found[successor] | {successor}
    return found
