"""Whether a schedule is one: every rule of the problem, tested on its own and by nothing that makes schedules."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from brain.l20.planning.problem import Mode, Problem, Schedule, Slot

Rule = Literal["tasks", "mode", "duration", "precedence", "resource", "horizon", "budget"]


@dataclass(frozen=True)
class Violation:
    """A rule that is broken; `text` names who breaks it, by how much and when."""

    rule: Rule
    text: str


class ScheduleError(ValueError):
    """A schedule that breaks rules; `violations` has all of them."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(f"the schedule breaks the rule of {violations[0].rule}: {violations[0].text}{more}")
        self.violations = violations


def check(problem: Problem, schedule: Schedule) -> Schedule:
    """The same schedule, where it keeps every rule.

    Raises:
        ScheduleError: It breaks one.
    """
    found = violations(problem, schedule)
    if found:
        raise ScheduleError(found)
    return schedule


def violations(problem: Problem, schedule: Schedule) -> tuple[Violation, ...]:
    """Every rule that the schedule breaks; rules that need the modes are only tested where all slots are sound."""
    unsound = [*_task_violations(problem, schedule), *_slot_violations(problem, schedule)]
    if unsound:
        return tuple(unsound)
    modes = {name: _known_mode(problem, slot) for name, slot in schedule.slots.items()}
    return (
        *_precedence_violations(problem, schedule),
        *(found for name in problem.capacity for found in _resource_violations(problem, schedule, modes, name)),
        *_limit_violations(problem, schedule, modes),
    )


def _task_violations(problem: Problem, schedule: Schedule) -> Iterator[Violation]:
    for name in problem.by_id:
        if name not in schedule.slots:
            yield Violation("tasks", f"{name!r} is not in the schedule")
    for name, slot in schedule.slots.items():
        if name not in problem.by_id or name != slot.task:
            yield Violation("tasks", f"the slot at {name!r} is of {slot.task!r}; both must be one task of the problem")


def _slot_violations(problem: Problem, schedule: Schedule) -> Iterator[Violation]:
    for name, slot in schedule.slots.items():
        task = problem.by_id.get(name)
        mode = task.mode(slot.mode) if task else None
        if task and mode is None:
            yield Violation("mode", f"{name!r} has no mode {slot.mode!r}; known: {[each.name for each in task.modes]}")
        elif mode and slot.end - slot.start != mode.duration:
            took = slot.end - slot.start
            yield Violation("duration", f"{name!r} takes {took} in mode {mode.name!r}, which lasts {mode.duration}")
        if slot.start < 0:
            yield Violation("duration", f"{name!r} starts at {slot.start}, before the project does")


def _precedence_violations(problem: Problem, schedule: Schedule) -> Iterator[Violation]:
    for name, task in problem.by_id.items():
        start = schedule.slots[name].start
        for before in task.after:
            end = schedule.slots[before].end
            if end > start:
                yield Violation("precedence", f"{name!r} starts at {start}, before {before!r} ends at {end}")


def _resource_violations(
    problem: Problem, schedule: Schedule, modes: dict[str, Mode], resource: str
) -> Iterator[Violation]:
    """The first moment at which more is used than there is; use only changes where a task starts or ends."""
    changes: Counter[int] = Counter()
    for name, slot in schedule.slots.items():
        changes[slot.start] += modes[name].demands.get(resource, 0)
        changes[slot.end] -= modes[name].demands.get(resource, 0)
    used = 0
    for moment in sorted(changes):
        used += changes[moment]
        if used > problem.capacity[resource]:
            text = f"{used} of {resource!r} are used at {moment}, and there are {problem.capacity[resource]}"
            yield Violation("resource", text)
            return


def _limit_violations(problem: Problem, schedule: Schedule, modes: dict[str, Mode]) -> Iterator[Violation]:
    cost = sum(mode.cost for mode in modes.values())
    if problem.budget is not None and cost > problem.budget:
        yield Violation("budget", f"the modes cost {cost}, and the budget is {problem.budget}")
    if problem.horizon is not None and schedule.makespan > problem.horizon:
        yield Violation("horizon", f"the last task ends at {schedule.makespan}, after the horizon {problem.horizon}")


def _known_mode(problem: Problem, slot: Slot) -> Mode:
    mode = problem.by_id[slot.task].mode(slot.mode)
    if mode is None:
        raise KeyError(f"{slot.task!r} has no mode {slot.mode!r}")
    return mode
