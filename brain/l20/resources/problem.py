"""Who gets how many replicas: the question and its answers, without a solver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

RESOURCES = ("cpu", "gpu", "memory_gb")

Amounts = Mapping[str, float]
"""By resource; what is left out is 0."""

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True)
class Service:
    """A service whose replicas are alike.

    Attributes:
        weight: What one request a second that it serves is worth.
        arrival_per_second: Requests that come.
        service_seconds: Mean time of one request on one replica.
        needs: Resources of one replica.
        least: Replicas at least.
        most: Replicas at most.
        target_seconds: Within which `quantile` of the requests are to be answered; None: no target.
        quantile: Of the target.
        current: Replicas now; None: nobody knows.
    """

    name: str
    weight: float
    arrival_per_second: float
    service_seconds: float
    needs: Amounts
    least: int
    most: int
    target_seconds: float | None = None
    quantile: float = 0.95
    current: int | None = None


@dataclass(frozen=True)
class Problem:
    """Services that share a capacity; `most_utilisation` is how busy replicas may be on average."""

    services: Sequence[Service]
    capacity: Amounts
    most_utilisation: float = 0.9


Replicas = Mapping[str, int]
"""By the service's name."""


@dataclass(frozen=True)
class Allocation:
    """What was found; `value` and `bound` are weighted requests a second, None where there is none."""

    status: Status
    replicas: Replicas | None
    value: float | None
    bound: float | None
    seconds: float

    @property
    def gap(self) -> float | None:
        """(bound - value) / bound; 0 where both are 0."""
        if self.value is None or self.bound is None:
            return None
        return max(0.0, (self.bound - self.value) / self.bound) if self.bound > 0 else 0.0


def used(services: Sequence[Service], replicas: Replicas, resource: str) -> float:
    """How much of a resource these replicas occupy."""
    return sum(one.needs.get(resource, 0.0) * replicas[one.name] for one in services)


def collisions(problem: Problem) -> Sequence[str]:
    """What the least replicas alone need beyond the capacity, in words; empty where they fit."""
    least = {one.name: one.least for one in problem.services}
    found = []
    for resource in RESOURCES:
        need, have = used(problem.services, least, resource), problem.capacity.get(resource, 0.0)
        if need > have + 1e-9:
            who = ", ".join(
                f"{one.name} {one.least} x {one.needs[resource]:g}"
                for one in problem.services
                if one.least and one.needs.get(resource)
            )
            found.append(
                f"{resource}: the least replicas need {need:g} ({who}) and there are {have:g}; "
                f"add {need - have:g}, or lower a minimum"
            )
    return found
