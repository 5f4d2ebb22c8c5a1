"""A project to be scheduled: tasks with modes, renewable resources, a budget and a horizon; integers only.

The multi-mode resource-constrained project scheduling problem (Talbot 1982) with one budget as its only non-renewable
resource. Time is whole units, money whole minor units.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


class ProblemError(ValueError):
    """A project that is none: the message names the task or resource and says what to change."""


@dataclass(frozen=True)
class Resource:
    """Renewable: `capacity` units at every moment."""

    name: str
    capacity: int


@dataclass(frozen=True)
class Mode:
    """One way to do a task.

    Attributes:
        name: Unique within its task.
        duration: In time units; 0 is a milestone and takes nothing.
        demands: Units of each resource while the task runs; those that are not named are not needed.
        cost: In minor units.
    """

    name: str
    duration: int
    demands: Mapping[str, int] = field(default_factory=dict)
    cost: int = 0


@dataclass(frozen=True)
class Task:
    """A task; `after` are the ids of those that end before it starts."""

    id: str
    modes: tuple[Mode, ...]
    after: tuple[str, ...] = ()

    def mode(self, name: str) -> Mode | None:
        """The mode of that name."""
        return next((mode for mode in self.modes if mode.name == name), None)


@dataclass(frozen=True)
class Slot:
    """When and how a task is done; half open `[start, end)`."""

    task: str
    mode: str
    start: int
    end: int


@dataclass(frozen=True)
class Schedule:
    """A slot a task, by its id. Nothing is promised before `check` has seen it."""

    slots: Mapping[str, Slot]

    @property
    def makespan(self) -> int:
        """When the last task ends."""
        return max((slot.end for slot in self.slots.values()), default=0)

    def cost(self, problem: "Problem") -> int:
        """Sum of the costs of the chosen modes, in minor units; a slot whose task or mode is unknown costs nothing."""
        total = 0
        for slot in self.slots.values():
            task = problem.by_id.get(slot.task)
            mode = task.mode(slot.mode) if task else None
            total += mode.cost if mode else 0
        return total


@dataclass(frozen=True)
class Problem:
    """A project, checked at construction.

    Attributes:
        tasks: In any order.
        resources: In any order.
        horizon: Latest end of all tasks, None: no deadline.
        budget: Most that the chosen modes may cost together, None: no limit.
        unit_seconds: How long a time unit is.

    Raises:
        ProblemError: Ids or names that are unknown or repeated, negative numbers or ones that are not whole, a cycle,
            a task without modes or without one that fits the capacities.
    """

    tasks: tuple[Task, ...]
    resources: tuple[Resource, ...]
    horizon: int | None = None
    budget: int | None = None
    unit_seconds: int = 3600
    by_id: Mapping[str, Task] = field(init=False, repr=False, compare=False)
    capacity: Mapping[str, int] = field(init=False, repr=False, compare=False)
    order: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _unique("task", (task.id for task in self.tasks))
        _unique("resource", (resource.name for resource in self.resources))
        for what, number in (("horizon", self.horizon), ("budget", self.budget)):
            if number is not None:
                _whole(what, number)
        if _whole("unit_seconds", self.unit_seconds) == 0:
            raise ProblemError("unit_seconds must be at least 1, got 0")
        capacity = {each.name: _whole(f"capacity of {each.name!r}", each.capacity) for each in self.resources}
        by_id = {task.id: task for task in self.tasks}
        object.__setattr__(self, "capacity", MappingProxyType(capacity))
        object.__setattr__(self, "by_id", MappingProxyType(by_id))
        for task in self.tasks:
            self._refuse_task(task)
        object.__setattr__(self, "order", _topological(by_id))

    def fits(self, mode: Mode) -> bool:
        """Whether the capacities allow the mode at all."""
        return not mode.duration or all(units <= self.capacity[name] for name, units in mode.demands.items())

    def _refuse_task(self, task: Task) -> None:
        _unique(f"mode of {task.id!r}", (mode.name for mode in task.modes))
        _unique(f"predecessor of {task.id!r}", task.after)
        unknown = [before for before in task.after if before not in self.by_id]
        if unknown:
            raise ProblemError(f"{task.id!r} comes after {unknown[0]!r}, and there is no such task")
        for mode in task.modes:
            self._refuse_mode(f"{task.id!r} in mode {mode.name!r}", mode)
        if not task.modes:
            raise ProblemError(f"{task.id!r} has no modes; give it at least one")
        if not any(self.fits(mode) for mode in task.modes):
            needs = {name: units for name, units in task.modes[0].demands.items() if units > self.capacity[name]}
            has = {name: self.capacity[name] for name in needs}
            raise ProblemError(f"no mode of {task.id!r} fits the capacities: it needs {needs}, there is {has}")

    def _refuse_mode(self, where: str, mode: Mode) -> None:
        _whole(f"duration of {where}", mode.duration)
        _whole(f"cost of {where}", mode.cost)
        for name, units in mode.demands.items():
            if name not in self.capacity:
                raise ProblemError(f"{where} needs {name!r}, and there is no such resource; known: {[*self.capacity]}")
            _whole(f"demand of {where} for {name!r}", units)


def _whole(what: str, number: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ProblemError(f"{what} must be a whole number of at least 0, got {number!r}")
    return number


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ProblemError(f"{what} {name!r} is given twice")
        seen.add(name)


def _topological(by_id: Mapping[str, Task]) -> tuple[str, ...]:
    """Ids with predecessors first (Kahn 1962), otherwise in the order given."""
    successors: dict[str, list[str]] = {name: [] for name in by_id}
    waiting = {name: len(task.after) for name, task in by_id.items()}
    for name, task in by_id.items():
        for before in task.after:
            successors[before].append(name)
    ready = deque(name for name, count in waiting.items() if not count)
    order: list[str] = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for successor in successors[name]:
            waiting[successor] -= 1
            if not waiting[successor]:
                ready.append(successor)
    if len(order) < len(by_id):
        raise ProblemError(f"tasks wait for one another in a circle: {' after '.join(_cycle(by_id, set(order)))}")
    return tuple(order)


def _cycle(by_id: Mapping[str, Task], done: set[str]) -> list[str]:
    """Going back from a task that never became ready, through ones that did not either, must close a circle."""
    name = next(each for each in by_id if each not in done)
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(before for before in by_id[name].after if before not in done)
    return [*path[path.index(name) :], name]
