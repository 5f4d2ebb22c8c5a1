"""From an order to a problem in whole hours and minor units, and back to what its modes stand for."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from brain.l20.planning.problem import Mode, Problem, Resource, Task
from brain.l20.planning.simulate import Uncertain
from brain.l20.strategy.durations import Duration, of_three_points
from brain.l20.strategy.order import Order
from brain.l20.strategy.outline import OutlineTask
from brain.l20.strategy.playbook import PlaybookMode

PEOPLE = "people"
UNIT_SECONDS = 3600
_ROUNDING = 1e-6

Learned = Callable[[str], Duration | None]
"""What was measured of a capability; None where that is too little."""


@dataclass(frozen=True)
class Costed:
    """A mode of a task: how long, and what it costs by itself and by the hour."""

    duration: Duration
    fixed_minor: int
    hourly_minor: float

    def hours(self, quantile: float) -> int:
        """Whole hours that cover this share of its durations; at least one where there is work at all."""
        exact = self.duration.quantile(quantile)
        return max(math.ceil(exact - _ROUNDING), 1 if exact > 0 else 0)

    def cost(self, quantile: float) -> int:
        """Minor units for the hours of that share."""
        return round(self.fixed_minor + self.hourly_minor * self.duration.quantile(quantile))


@dataclass(frozen=True)
class Project:
    """An order by numbers; `costed` is by task and mode, `capacities` has every resource that some mode needs."""

    order: Order
    costed: Mapping[tuple[str, str], Costed]
    capacities: Mapping[str, int]

    def problem(self, **changed: int) -> Problem:
        """The problem to be solved, with other capacities where they are `changed`.

        Raises:
            ProblemError: A task has no mode that fits the capacities.
        """
        capacities = {**self.capacities, **changed}
        return Problem(
            tuple(Task(task.id, self._modes(task), task.after) for task in self.order.outline.tasks),
            tuple(Resource(name, capacity) for name, capacity in capacities.items()),
            horizon=self.order.timeline_hours,
            budget=self.order.budget_minor,
            unit_seconds=UNIT_SECONDS,
        )

    def uncertain(self, task: str, mode: str) -> Uncertain:
        """The task in that mode, as the simulation draws it."""
        found = self.costed[task, mode]
        return Uncertain(found.duration.mu, found.duration.sigma, found.fixed_minor, found.hourly_minor)

    def _modes(self, task: OutlineTask) -> tuple[Mode, ...]:
        quantile = self.order.quantile
        return tuple(
            Mode(mode.name, costed.hours(quantile), dict(mode.needs), costed.cost(quantile))
            for mode in task.modes
            for costed in [self.costed[task.id, mode.name]]
        )


def build(order: Order, learned: Learned) -> Project:
    """Durations, prices and capacities of an order."""
    outline = order.outline
    needed = {name for task in outline.tasks for mode in task.modes for name in mode.needs}
    capacities = {
        name: order.capacities.get(name, means.capacity) for name, means in outline.means.items() if name in needed
    }
    costed = {
        (task.id, mode.name): _costed(order, task, mode, learned) for task in outline.tasks for mode in task.modes
    }
    return Project(order, costed, capacities)


def _costed(order: Order, task: OutlineTask, mode: PlaybookMode, learned: Learned) -> Costed:
    means = order.outline.means
    by_machine = not any(means[name].unit == PEOPLE for name in mode.needs)
    measured = learned(task.capability) if task.capability and mode.needs and by_machine else None
    hourly = sum(means[name].rate_minor * units for name, units in mode.needs.items())
    return Costed(measured or of_three_points(mode.hours), mode.cost_minor, float(hourly))
