"""What no schedule can beat: critical path, work against capacity, cheapest modes; and earliest and latest starts."""

from collections.abc import Mapping

from brain.l20.planning.problem import Problem


def shortest_durations(problem: Problem) -> dict[str, int]:
    """Duration of each task in its shortest mode that fits the capacities, in time units."""
    return {
        name: min(mode.duration for mode in task.modes if problem.fits(mode)) for name, task in problem.by_id.items()
    }


def earliest_starts(problem: Problem) -> dict[str, int]:
    """Earliest start of each task by precedence alone (forward pass of Kelley and Walker 1959), in time units."""
    durations = shortest_durations(problem)
    starts: dict[str, int] = {}
    for name in problem.order:
        starts[name] = max((starts[before] + durations[before] for before in problem.by_id[name].after), default=0)
    return starts


def tails(problem: Problem) -> dict[str, int]:
    """Least time between the end of each task and the end of all (backward pass), in time units."""
    durations = shortest_durations(problem)
    left = dict.fromkeys(problem.order, 0)
    for name in reversed(problem.order):
        for before in problem.by_id[name].after:
            left[before] = max(left[before], left[name] + durations[name])
    return left


def latest_starts(problem: Problem, horizon: int) -> dict[str, int]:
    """Latest start of each task, in its shortest mode, if all is to end by `horizon`; below 0 where it cannot."""
    durations, left = shortest_durations(problem), tails(problem)
    return {name: horizon - left[name] - durations[name] for name in problem.order}


def critical_path_bound(problem: Problem) -> int:
    """Length of the longest chain of tasks, each in its shortest mode, in time units."""
    durations = shortest_durations(problem)
    return max((start + durations[name] for name, start in earliest_starts(problem).items()), default=0)


def energy_bound(problem: Problem, resource: str) -> int:
    """Least makespan by the work that waits for one resource.

    Tasks that start no earlier than h and leave at least q after them need at least their work divided by the
    capacity, between h and q; over all h and q (Carlier and Latapie 1991, for one resource). O(n²).

    Raises:
        KeyError: There is no such resource.
    """
    capacity = problem.capacity[resource]
    heads, left = earliest_starts(problem), tails(problem)
    work = {name: units for name, units in _least_work(problem, resource).items() if units}
    by_tail = sorted(work, key=lambda name: -left[name])
    best = 0
    for head in {heads[name] for name in work}:
        total = 0
        for name in by_tail:
            if heads[name] >= head:
                total += work[name]
                best = max(best, head - (-total // capacity) + left[name])
    return best


def makespan_bound(problem: Problem) -> int:
    """The largest of the bounds on the makespan, in time units."""
    return max([critical_path_bound(problem), *(energy_bound(problem, name) for name in problem.capacity)])


def cost_bound(problem: Problem) -> int:
    """What the cheapest modes that fit the capacities cost together, in minor units."""
    return sum(min(mode.cost for mode in task.modes if problem.fits(mode)) for task in problem.tasks)


def _least_work(problem: Problem, resource: str) -> Mapping[str, int]:
    """Least product of duration and demand over the modes of each task."""
    return {
        task.id: min(mode.duration * mode.demands.get(resource, 0) for mode in task.modes if problem.fits(mode))
        for task in problem.tasks
    }
