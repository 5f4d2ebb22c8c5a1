"""Whether an allocation is what it says: every rule tested on its own, by nothing that makes allocations.

The time in the system is computed another way than the table was: steady-state probabilities from logarithms of
factorials, and the waiting time folded with the service time by Simpson's rule.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from brain.l20.resources.problem import RESOURCES, Problem, Replicas, Service

_SIMPSON_STEPS = 2000
_TOLERANCE = 1e-5


class AllocationError(ValueError):
    """An allocation that breaks rules; `violations` names them all."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__(f"the allocation breaks {len(violations)} rules: {violations[0]}")
        self.violations = tuple(violations)


def check(problem: Problem, replicas: Replicas, served: Mapping[str, float]) -> None:
    """Test an allocation and the requests a second that each service is said to serve.

    Raises:
        AllocationError: It breaks a rule.
    """
    found = violations(problem, replicas, served)
    if found:
        raise AllocationError(found)


def violations(problem: Problem, replicas: Replicas, served: Mapping[str, float]) -> Sequence[str]:
    """Every rule that is broken, in words."""
    names = {one.name for one in problem.services}
    if set(replicas) != names or set(served) != names:
        return [f"it speaks of {sorted(set(replicas) | set(served))} and the services are {sorted(names)}"]
    return [
        *_amounts(problem, replicas),
        *(text for one in problem.services for text in _of_service(one, replicas[one.name], served[one.name], problem)),
    ]


def _amounts(problem: Problem, replicas: Replicas) -> Iterator[str]:
    for resource in RESOURCES:
        total = math.fsum(one.needs.get(resource, 0.0) * replicas[one.name] for one in problem.services)
        have = problem.capacity.get(resource, 0.0)
        if total > have * (1 + 1e-9) + 1e-9:
            yield f"{resource}: {total:g} are used and there are {have:g}"


def _of_service(one: Service, replicas: int, served: float, problem: Problem) -> Iterator[str]:
    if not one.least <= replicas <= one.most:
        yield f"{one.name}: {replicas} replicas are not from {one.least} to {one.most}"
    if served < 0 or served > one.arrival_per_second * (1 + _TOLERANCE):
        yield f"{one.name}: {served:g} requests a second are served and {one.arrival_per_second:g} arrive"
    if served <= 0:
        return
    busy = served * one.service_seconds / replicas if replicas else math.inf
    if busy > problem.most_utilisation + _TOLERANCE:
        yield f"{one.name}: its replicas are {busy:.3f} busy, more than {problem.most_utilisation:g}"
    elif one.target_seconds is not None:
        late = _late(one.target_seconds, replicas, served, one.service_seconds)
        if late > 1 - one.quantile + _TOLERANCE:
            yield f"{one.name}: {late:.5f} of its requests take longer than {one.target_seconds:g} s"


def _late(target: float, replicas: int, arrival: float, service: float) -> float:
    load = max(arrival * service, 1e-12)  # of less there is no logarithm, and nobody waits either way
    logs = [number * math.log(load) - math.lgamma(number + 1) for number in range(replicas)]
    last = replicas * math.log(load) - math.lgamma(replicas + 1) - math.log(1 - load / replicas)
    top = max(*logs, last)
    waiting = math.exp(last - top) / (math.exp(last - top) + math.fsum(math.exp(one - top) for one in logs))
    drain = replicas / service - arrival
    width = target / _SIMPSON_STEPS

    def folded(wait: float) -> float:
        return drain * math.exp(-drain * wait) * math.exp(-(target - wait) / service)

    inner = math.fsum((4 if step % 2 else 2) * folded(step * width) for step in range(1, _SIMPSON_STEPS))
    slow = (folded(0) + folded(target) + inner) * width / 3
    return (1 - waiting) * math.exp(-target / service) + waiting * (math.exp(-drain * target) + slow)
