"""A schedule under durations that nobody knows yet: the chosen order is kept, the times move.

The schedule becomes a partial order: beside what the tasks ask for, a task comes after those whose units of a resource
it takes over (resource flow; Artigues, Michelon and Reusser 2003). Whatever the durations are, no resource is then used
beyond its capacity, and nobody needs to know a duration before it has passed. Each task starts as soon as it may.

Durations are log-normal. One normal factor is shared by all of them: any two logarithms have the same correlation.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from brain.l20.planning.problem import Mode, Problem, Schedule

DRAWS = 2000
SHARED_CORRELATION = 0.3
CONFIDENCE = 0.95
_SLACK = 1e-9
_PERCENTILES = (10, 50, 80, 95)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Uncertain:
    """A task in its chosen mode.

    Attributes:
        mu: Mean of the logarithm of its hours; None: it takes none.
        sigma: Standard deviation of that logarithm.
        fixed_minor: What it costs however long it takes.
        hourly_minor: What each of its hours costs.
    """

    mu: float | None
    sigma: float
    fixed_minor: int = 0
    hourly_minor: float = 0.0


@dataclass(frozen=True)
class Outcomes:
    """What became of the draws.

    Attributes:
        makespans: Hours, one a draw.
        costs: Minor units, one a draw.
        criticality: By task, the share of draws in which the end of all waits for it.
    """

    makespans: Floats
    costs: Floats
    criticality: Mapping[str, float]

    def on_time(self, hours: float) -> "Probability":
        """How often all ends within so many hours."""
        return wilson(int((self.makespans <= hours + _SLACK).sum()), len(self.makespans))

    def within(self, minor: float) -> "Probability":
        """How often all costs no more."""
        return wilson(int((self.costs <= minor).sum()), len(self.costs))


@dataclass(frozen=True)
class Probability:
    """A share of draws, and where with 95 % confidence the probability lies that it estimates."""

    probability: float
    low: float
    high: float


def simulate(
    problem: Problem,
    schedule: Schedule,
    uncertain: Mapping[str, Uncertain],
    draws: int = DRAWS,
    seed: int = 0,
    correlation: float = SHARED_CORRELATION,
) -> Outcomes:
    """Draw durations and let the schedule's order run.

    Args:
        problem: The project.
        schedule: One that has passed `check`.
        uncertain: Each task in the mode that the schedule chose.
        draws: How often.
        seed: The same seed gives the same draws.
        correlation: Of the logarithms of any two durations, from 0 to 1.

    Raises:
        ValueError: No draws, or a correlation that is none.
        KeyError: A task of the schedule is not in `uncertain`.
    """
    if draws < 1 or not 0 <= correlation <= 1:
        raise ValueError(f"expected at least 1 draw and a correlation from 0 to 1, got {draws} and {correlation}")
    before = partial_order(problem, schedule)
    hours = _draw(list(before), uncertain, draws, seed, correlation)
    ends = _ends(before, hours)
    makespans = np.maximum.reduce(list(ends.values()))
    costs = np.zeros(draws)
    for name, taken in hours.items():
        costs += uncertain[name].fixed_minor + uncertain[name].hourly_minor * taken
    return Outcomes(makespans, costs, _criticality(before, hours, ends, makespans))


def partial_order(problem: Problem, schedule: Schedule) -> dict[str, tuple[str, ...]]:
    """Tasks in order of their starts, each with those that end before it starts: asked for, or handing over units.

    A task takes units over from those it comes after anyway where it can, else from those that ended last: fewer orders
    that nobody asked for.
    """
    rank = {name: place for place, name in enumerate(problem.order)}
    names = sorted(schedule.slots, key=lambda name: (schedule.slots[name].start, rank[name]))
    before = {name: dict.fromkeys(problem.by_id[name].after) for name in names}
    ancestors: dict[str, set[str]] = {}
    held: dict[str, list[tuple[str, int]]] = {name: [] for name in problem.capacity}
    free = dict(problem.capacity)
    for name in names:
        above = set(before[name]).union(*(ancestors[each] for each in before[name]))
        for resource, units in _demands(problem, schedule, name).items():
            missing = max(0, units - free[resource])
            free[resource] -= units - missing
            giving = [each for each in held[resource] if schedule.slots[each[0]].end <= schedule.slots[name].start]
            giving.sort(key=lambda each: (each[0] not in above, -schedule.slots[each[0]].end))
            for pool in giving:
                if not missing:
                    break
                taken = min(missing, pool[1])
                missing -= taken
                held[resource].remove(pool)
                if pool[1] > taken:
                    held[resource].append((pool[0], pool[1] - taken))
                before[name][pool[0]] = None
            held[resource].append((name, units))
        ancestors[name] = set(before[name]).union(*(ancestors[each] for each in before[name]))
    return {name: tuple(each) for name, each in before.items()}


def wilson(successes: int, draws: int, confidence: float = CONFIDENCE) -> Probability:
    """A share of draws with the score interval of Wilson (1927), which holds near 0 and 1 as well."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / draws
    middle = (share + z * z / (2 * draws)) / (1 + z * z / draws)
    half = z / (1 + z * z / draws) * math.sqrt(share * (1 - share) / draws + z * z / (4 * draws * draws))
    return Probability(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def quantiles(values: Floats, digits: int) -> dict[str, float]:
    """The 10th, 50th, 80th and 95th percentile, rounded; whole numbers where `digits` is 0."""
    found = np.percentile(values, _PERCENTILES)
    rounded = (round(float(value), digits or None) for value in found)
    return {f"p{share}": value for share, value in zip(_PERCENTILES, rounded, strict=True)}


def _demands(problem: Problem, schedule: Schedule, name: str) -> dict[str, int]:
    slot = schedule.slots[name]
    mode: Mode | None = problem.by_id[name].mode(slot.mode)
    if mode is None:
        raise KeyError(f"{name!r} has no mode {slot.mode!r}")
    return {resource: units for resource, units in mode.demands.items() if units} if mode.duration else {}


def _draw(
    names: list[str], uncertain: Mapping[str, Uncertain], draws: int, seed: int, correlation: float
) -> dict[str, Floats]:
    generator = np.random.default_rng(seed)
    shared = math.sqrt(correlation) * generator.standard_normal(draws)
    own = math.sqrt(1 - correlation)
    hours: dict[str, Floats] = {}
    for name in names:
        task = uncertain[name]
        normal = shared + own * generator.standard_normal(draws)
        hours[name] = np.zeros(draws) if task.mu is None else np.exp(task.mu + task.sigma * normal)
    return hours


def _ends(before: Mapping[str, tuple[str, ...]], hours: Mapping[str, Floats]) -> dict[str, Floats]:
    ends: dict[str, Floats] = {}
    for name, earlier in before.items():
        start = np.maximum.reduce([ends[each] for each in earlier]) if earlier else np.zeros_like(hours[name])
        ends[name] = start + hours[name]
    return ends


def _criticality(
    before: Mapping[str, tuple[str, ...]], hours: Mapping[str, Floats], ends: Mapping[str, Floats], makespans: Floats
) -> dict[str, float]:
    """A backward pass in every draw: critical is what may not end later."""
    latest = {name: makespans.copy() for name in before}
    for name in reversed(list(before)):
        for each in before[name]:
            np.minimum(latest[each], latest[name] - hours[name], out=latest[each])
    slack = _SLACK * np.maximum(1.0, makespans)
    return {name: float((latest[name] - ends[name] <= slack).mean()) for name in before}
