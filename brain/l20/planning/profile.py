"""What a schedule says: how much of a resource is used when, and which chain of tasks makes it as long as it is."""

from collections import Counter
from dataclasses import dataclass

from brain.l20.planning.problem import Mode, Problem, Schedule, Slot


@dataclass(frozen=True)
class Usage:
    """`used` units of a resource over `[start, end)`."""

    start: int
    end: int
    used: int


def resource_profile(problem: Problem, schedule: Schedule, resource: str) -> tuple[Usage, ...]:
    """Use of a resource from 0 to the makespan, as steps without gaps in time order; neighbours differ.

    Raises:
        KeyError: There is no such resource, or the schedule has tasks or modes that the problem has not.
    """
    problem.capacity[resource]
    changes: Counter[int] = Counter()
    for slot in schedule.slots.values():
        units = _mode(problem, slot).demands.get(resource, 0)
        changes[slot.start] += units
        changes[slot.end] -= units
    steps: list[Usage] = []
    used, since = changes.pop(0, 0), 0
    for moment in sorted([moment for moment, change in changes.items() if change] + [schedule.makespan]):
        if moment > since:
            steps.append(Usage(since, moment, used))
        used, since = used + changes.pop(moment, 0), moment
    return tuple(steps)


def critical_path(problem: Problem, schedule: Schedule) -> tuple[str, ...]:
    """The critical sequence (Wiest 1964): a chain of tasks each of which starts as its forerunner ends.

    A forerunner is a predecessor, or a task that leaves a resource which until then was too scarce to start. Where no
    task can start earlier with all others kept in place the chain reaches from 0 to the makespan; elsewhere it begins
    with the first task that could.

    Raises:
        KeyError: The schedule has tasks or modes that the problem has not.
    """
    if not schedule.slots:
        return ()
    rank = {name: place for place, name in enumerate(problem.order)}
    slot: Slot | None = max(schedule.slots.values(), key=lambda each: (each.end, rank[each.task]))
    path: list[str] = []
    while slot:
        path.append(slot.task)
        slot = _predecessor(problem, schedule, slot) or _releaser(problem, schedule, slot)
    return tuple(reversed(path))


def _predecessor(problem: Problem, schedule: Schedule, slot: Slot) -> Slot | None:
    before = (schedule.slots[name] for name in problem.by_id[slot.task].after if name in schedule.slots)
    return next((each for each in before if each.end == slot.start), None)


def _releaser(problem: Problem, schedule: Schedule, slot: Slot) -> Slot | None:
    """A task that ends as this one starts and leaves what it could not have had a unit of time earlier."""
    if slot.end == slot.start:
        return None
    needs = _mode(problem, slot).demands
    running = [each for each in schedule.slots.values() if each.start < slot.start <= each.end]
    for resource, units in needs.items():
        used = sum(_mode(problem, each).demands.get(resource, 0) for each in running)
        if units and used + units > problem.capacity[resource]:
            leaving = (each for each in running if each.end == slot.start)
            found = next((each for each in leaving if _mode(problem, each).demands.get(resource)), None)
            if found:
                return found
    return None


def _mode(problem: Problem, slot: Slot) -> Mode:
    mode = problem.by_id[slot.task].mode(slot.mode)
    if mode is None:
        raise KeyError(f"{slot.task!r} has no mode {slot.mode!r}")
    return mode
