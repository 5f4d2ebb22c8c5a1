"""The problem by numbers: tasks in topological order, demands of all resources packed into one integer.

A packed integer has a field a resource, one bit wider than its capacity needs. In what is free that bit is always set;
where it is lost by subtracting a demand, the demand does not fit. One subtraction so tests every resource.
"""

from dataclasses import dataclass

from brain.l20.planning.bounds import makespan_bound
from brain.l20.planning.problem import Mode, Problem, Schedule, Slot

State = tuple[list[int], list[int]]
"""Starts and modes by task: a schedule by numbers."""


@dataclass(frozen=True)
class Choice:
    """A mode that fits: its packed demand, and its work as a sum of shares of the capacities times its duration."""

    mode: Mode
    duration: int
    packed: int
    cost: int
    work: float


@dataclass(frozen=True)
class Compact:
    """Lists by task; predecessors have smaller numbers.

    Attributes:
        problem: Where it comes from.
        before: Predecessors.
        after: Successors.
        several: Tasks with more than one mode that fits.
        choices: Modes that fit, shortest first, cheapest first among equals.
        guard: The bits that are lost where something does not fit.
        free: Everything free.
        bound: Least makespan.
    """

    problem: Problem
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    several: tuple[int, ...]
    choices: tuple[tuple[Choice, ...], ...]
    guard: int
    free: int
    bound: int

    def __len__(self) -> int:
        return len(self.before)

    def durations(self, modes: list[int]) -> list[int]:
        """Durations of the chosen modes."""
        return [choices[mode].duration for choices, mode in zip(self.choices, modes, strict=True)]

    def demands(self, modes: list[int]) -> list[int]:
        """Packed demands of the chosen modes."""
        return [choices[mode].packed for choices, mode in zip(self.choices, modes, strict=True)]

    def cost(self, modes: list[int]) -> int:
        """What the chosen modes cost together, in minor units."""
        return sum(choices[mode].cost for choices, mode in zip(self.choices, modes, strict=True))

    def schedule(self, starts: list[int], modes: list[int]) -> Schedule:
        """The schedule with these starts and modes, in topological order."""
        slots: dict[str, Slot] = {}
        for number, name in enumerate(self.problem.order):
            choice = self.choices[number][modes[number]]
            slots[name] = Slot(name, choice.mode.name, starts[number], starts[number] + choice.duration)
        return Schedule(slots)

    def read(self, schedule: Schedule) -> tuple[list[int], list[int]]:
        """Starts and modes of a schedule that has passed `check`."""
        starts, modes = [], []
        for number, name in enumerate(self.problem.order):
            slot = schedule.slots[name]
            starts.append(slot.start)
            modes.append([choice.mode.name for choice in self.choices[number]].index(slot.mode))
        return starts, modes


def compact(problem: Problem) -> Compact:
    """Number the tasks of a problem and pack its demands."""
    shifts: dict[str, int] = {}
    guard = free = shift = 0
    for name, capacity in problem.capacity.items():
        shifts[name] = shift
        bit = 1 << (shift + capacity.bit_length())
        guard |= bit
        free |= bit | (capacity << shift)
        shift += capacity.bit_length() + 1
    number = {name: place for place, name in enumerate(problem.order)}
    before = tuple(tuple(number[each] for each in problem.by_id[name].after) for name in problem.order)
    after: list[list[int]] = [[] for _ in before]
    for task, predecessors in enumerate(before):
        for predecessor in predecessors:
            after[predecessor].append(task)
    choices = tuple(_choices(problem, name, shifts) for name in problem.order)
    several = tuple(task for task, modes in enumerate(choices) if len(modes) > 1)
    return Compact(problem, before, tuple(map(tuple, after)), several, choices, guard, free, makespan_bound(problem))


def _choices(problem: Problem, name: str, shifts: dict[str, int]) -> tuple[Choice, ...]:
    found = []
    for mode in problem.by_id[name].modes:
        if problem.fits(mode):
            needs = {each: units for each, units in mode.demands.items() if units and mode.duration}
            packed = sum(units << shifts[each] for each, units in needs.items())
            share = sum(units / problem.capacity[each] for each, units in needs.items())
            found.append(Choice(mode, mode.duration, packed, mode.cost, share * mode.duration))
    return tuple(sorted(found, key=lambda choice: (choice.duration, choice.cost, choice.work)))
