"""How long work of a type takes, learned from what was: a log-normal fitted to durations some of which were cut short.

A task that failed or was cancelled would have taken at least as long as it ran, and counts as that: the likelihood with
right-censored logarithms is greatest where expectation and maximisation (Dempster, Laird and Rubin, 1977) come to rest;
their steps for a normal are those of Aitkin (1981), "A Note on the Regression Analysis of Censored Data".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

from brain.l20.analytics.survival import Observation

LEAST_OBSERVED = 20
"""Fewer durations that ended by themselves teach nothing."""

SHORTEST_SECONDS = 0.001
"""Anything shorter counts as this: a logarithm needs more than nothing."""

LEAST_SIGMA = 0.01
"""Equal durations are not certainty."""

_MOST_STEPS = 500
_TOLERANCE = 1e-7
_NORMAL = NormalDist()


class TaskDuration(Protocol):
    """A finished call of a task, as the run store tells of it."""

    @property
    def type(self) -> str:
        """What was called."""
        ...

    @property
    def state(self) -> str:
        """How it ended."""
        ...

    @property
    def seconds(self) -> float:
        """How long it ran."""
        ...


@dataclass(frozen=True)
class LearnedDuration:
    """A log-normal: logarithms of seconds are normal with mean `mu` and standard deviation `sigma`.

    Attributes:
        mu: Mean of the logarithm.
        sigma: Its standard deviation.
        observed: Durations that ended by themselves.
        censored: Those that were cut short.
    """

    mu: float
    sigma: float
    observed: int
    censored: int

    @property
    def median_seconds(self) -> float:
        """Half take longer."""
        return math.exp(self.mu)

    @property
    def mean_seconds(self) -> float:
        """What many take on average."""
        return math.exp(self.mu + self.sigma**2 / 2)

    def quantile(self, probability: float) -> float:
        """Seconds that this share does not exceed; `probability` lies between 0 and 1."""
        return math.exp(self.mu + self.sigma * _NORMAL.inv_cdf(probability))


class LearnedDurations:
    """What each type's durations teach.

    Args:
        durations: Calls that ended, as `RunStore.durations` gives them.
        least: How many must have ended by themselves.
    """

    def __init__(self, durations: Iterable[TaskDuration], least: int = LEAST_OBSERVED) -> None:
        self._least = least
        self._seen: dict[str, list[Observation]] = {}
        self._fitted: dict[str, LearnedDuration | None] = {}
        for one in durations:
            found = observation(one.state, one.seconds)
            if found is not None:
                self._seen.setdefault(one.type, []).append(found)

    @property
    def observations(self) -> Mapping[str, Sequence[Observation]]:
        """By type."""
        return self._seen

    def learned(self, type_: str) -> LearnedDuration | None:
        """The type's durations; None while too few have ended by themselves."""
        if type_ not in self._fitted:
            self._fitted[type_] = fit(self._seen.get(type_, ()), self._least)
        return self._fitted[type_]


def observation(state: str, seconds: float | None) -> Observation | None:
    """What a task that ended in this state says; None where it never ran."""
    if seconds is None or state in ("skipped", "waiting"):
        return None
    return Observation(seconds, ended=state == "succeeded")


def fit(observations: Sequence[Observation], least: int = LEAST_OBSERVED) -> LearnedDuration | None:
    """The log-normal of greatest likelihood; None where fewer than `least` durations ended by themselves."""
    logs = [(math.log(max(SHORTEST_SECONDS, one.seconds)), one.ended) for one in observations]
    known = [value for value, ended in logs if ended]
    cut = [value for value, ended in logs if not ended]
    if len(known) < max(2, least):
        return None
    mu = math.fsum(known) / len(known)
    sigma = max(LEAST_SIGMA, _deviation(known, mu))
    for _ in range(_MOST_STEPS if cut else 0):
        before = mu, sigma
        mu, sigma = _step(known, cut, mu, sigma)
        if max(abs(mu - before[0]), abs(sigma - before[1])) < _TOLERANCE:
            break
    return LearnedDuration(mu, sigma, len(known), len(cut))


def _deviation(values: Sequence[float], mean: float) -> float:
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def _step(known: Sequence[float], cut: Sequence[float], mu: float, sigma: float) -> tuple[float, float]:
    """One expectation (moments of what was cut short, given that it is longer) and one maximisation."""
    first, second = math.fsum(known), math.fsum(value * value for value in known)
    for value in cut:
        hazard = _hazard((value - mu) / sigma)
        first += mu + sigma * hazard
        second += mu * mu + sigma * sigma + sigma * (value + mu) * hazard
    size = len(known) + len(cut)
    mean = first / size
    return mean, max(LEAST_SIGMA, math.sqrt(max(0.0, second / size - mean * mean)))


def _hazard(at: float) -> float:
    """Density over tail of the standard normal (the inverse Mills ratio); far out by its asymptotic series."""
    if at > 25:
        return at + 1 / at - 2 / at**3
    return _NORMAL.pdf(at) / (0.5 * math.erfc(at / math.sqrt(2)))
