"""The result of an allocation: before, after, what is proven, and what more would bring."""

from collections.abc import Mapping

from brain.l20.resources.problem import RESOURCES, Allocation, Problem, Replicas, Service, used
from brain.l20.resources.queueing import latency, served

Document = dict[str, object]
DIGITS = 6


def state(problem: Problem, replicas: Replicas) -> Document:
    """What some replicas serve and occupy."""
    services = [_service(one, replicas[one.name], problem) for one in problem.services]
    occupied = {name: round(used(problem.services, replicas, name), DIGITS) for name in RESOURCES}
    capacity = {name: problem.capacity.get(name, 0.0) for name in RESOURCES}
    worth = sum(one.weight * serves(one, replicas[one.name], problem) for one in problem.services)
    return {
        "weighted_throughput_per_second": round(worth, DIGITS),
        "throughput_per_second": round(
            sum(serves(one, replicas[one.name], problem) for one in problem.services), DIGITS
        ),
        "used": occupied,
        "utilisation": {
            name: round(occupied[name] / capacity[name], DIGITS) if capacity[name] else None for name in RESOURCES
        },
        "fits": all(occupied[name] <= capacity[name] + 1e-9 for name in RESOURCES),
        "services": services,
    }


def serves(one: Service, replicas: int, problem: Problem) -> float:
    """Requests a second within its target."""
    return served(
        replicas,
        one.arrival_per_second,
        one.service_seconds,
        one.target_seconds,
        one.quantile,
        problem.most_utilisation,
    )


def proof(found: Allocation) -> Document:
    """What the solver says of its answer; values are weighted requests a second."""
    return {
        "status": found.status,
        "objective": "weighted throughput within latency targets",
        "value": None if found.value is None else round(found.value, DIGITS),
        "bound": None if found.bound is None else round(found.bound, DIGITS),
        "gap": None if found.gap is None else round(found.gap, 9),
        "solver": "CP-SAT",
        "solver_seconds": round(found.seconds, 4),
    }


def gains_document(gains: Mapping[str, float | None]) -> Document:
    """By resource: one more unit, and what it is worth."""
    units = {"cpu": "core", "gpu": "graphics card", "memory_gb": "GB"}
    return {
        name: {"unit": units[name], "weighted_throughput_per_second": None if gain is None else round(gain, DIGITS)}
        for name, gain in gains.items()
    }


def _service(one: Service, replicas: int, problem: Problem) -> Document:
    within = serves(one, replicas, problem)
    at_served = latency(one.quantile, replicas, within, one.service_seconds) if replicas and within else None
    at_demand = latency(one.quantile, replicas, one.arrival_per_second, one.service_seconds) if replicas else None
    return {
        "name": one.name,
        "replicas": replicas,
        "arrival_per_second": round(one.arrival_per_second, DIGITS),
        "served_per_second": round(within, DIGITS),
        "utilisation": round(within * one.service_seconds / replicas, DIGITS) if replicas else None,
        "latency_quantile": one.quantile,
        "latency_target_seconds": one.target_seconds,
        "latency_seconds": None if at_served is None else round(at_served, DIGITS),
        "latency_at_demand_seconds": None if at_demand is None else round(at_demand, DIGITS),
        "serves_demand": within >= one.arrival_per_second * (1 - 1e-9),
    }
