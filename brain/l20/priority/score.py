"""Scores and ranks.

Rule of the order: a task inherits the score of what waits for it where that is higher, as a holder of a lock inherits
the priority of whoever waits for it (Sha, Rajkumar and Lehoczky, 1990, "Priority Inheritance Protocols"). So what an
urgent task depends on is as urgent, ranks fall with scores, and nothing stands before what it depends on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brain.l20.priority import factors
from brain.l20.priority.order import After, topological
from brain.l20.priority.settings import PrioritySettings
from brain.l20.priority.weights import FACTORS, Weights
from brain.l20.priority.work import Work

RULE = (
    "A task's own score is the weighted mean of its factors; its score is the highest of its own and those of the "
    "tasks that wait for it. Tasks are ordered by falling score, never before what they depend on, equal ones as given."
)


@dataclass(frozen=True)
class Scored:
    """Every list has one entry a task, by its place in the request; `order` has places by rank.

    Attributes:
        own: Weighted mean of the factors.
        scores: `own`, or what is inherited.
        heirs: Place of the task whose own score it is.
        columns: Each factor from 0 to 1, by its name.
        shares: Each factor's weight, divided by their sum.
        slacks: Seconds until the latest start that keeps its deadline and those of what waits for it; None: none.
        tails: Seconds of work on the longest chain that waits for it.
        halves: Where x / (x + h) has its half, by factor.
    """

    order: Sequence[int]
    own: Sequence[float]
    scores: Sequence[float]
    heirs: Sequence[int]
    columns: Mapping[str, Sequence[float]]
    shares: Mapping[str, float]
    slacks: Sequence[float | None]
    tails: Sequence[float]
    halves: Mapping[str, float]

    def contributions(self, place: int) -> Mapping[str, float]:
        """What each factor adds to the task's own score."""
        return {name: share * self.columns[name][place] for name, share in self.shares.items()}


def score(
    work: Work, weights: Weights, settings: PrioritySettings, now: float, capacity: Mapping[str, float] | None = None
) -> Scored:
    """Rank work.

    Args:
        work: Tasks in columns.
        weights: Of the factors.
        settings: Half-way points.
        now: Unix seconds.
        capacity: What is free, by resource; None leaves the factor `fit` out.

    Raises:
        CycleError: Tasks wait for one another.
    """
    sequence = topological(work.after)
    tails, slacks = _chains(work, sequence, now)
    halves = {
        "deadline": settings.slack_half_seconds,
        "value": factors.typical(work.values),
        "cost": factors.typical(work.costs),
        "duration": settings.duration_half_seconds,
        "age": settings.age_half_seconds,
        "unblocks": settings.unblocks_half_seconds,
    }
    columns = {
        "priority": factors.priority(work.classes),
        "deadline": factors.urgency(slacks, halves["deadline"]),
        "value": factors.much(work.values, halves["value"]),
        "cost": factors.little(work.costs, halves["cost"]),
        "duration": factors.little(work.seconds, halves["duration"]),
        "age": factors.much(factors.ages(work, now), halves["age"]),
        "unblocks": factors.much(tails, halves["unblocks"]),
        "fit": [0.0] * len(work) if capacity is None else factors.fit(work.resources, capacity),
    }
    shares = _shares(weights, with_fit=capacity is not None)
    own = _weighted(columns, shares)
    scores, heirs = _inherited(own, work.after, sequence)
    # Sorting is stable, and nothing has a higher score than what it depends on: the sequence decides among equals.
    order = sorted(sequence, key=[-one for one in scores].__getitem__)
    return Scored(order, own, scores, heirs, columns, shares, slacks, tails, halves)


def _shares(weights: Weights, *, with_fit: bool) -> Mapping[str, float]:
    counting = {name: weight for name, weight in weights.by_factor().items() if with_fit or name != "fit"}
    total = sum(counting.values()) or 1.0
    return {name: counting.get(name, 0.0) / total for name in FACTORS}


def _weighted(columns: Mapping[str, Sequence[float]], shares: Mapping[str, float]) -> Sequence[float]:
    # Written out: eight nested loops over a hundred thousand tasks take five times as long.
    a, b, c, d, e, f, g, h = (shares[name] for name in FACTORS)
    rows = zip(*(columns[name] for name in FACTORS), strict=True)
    return [a * p + b * q + c * r + d * s + e * t + f * u + g * v + h * w for p, q, r, s, t, u, v, w in rows]


def _chains(work: Work, sequence: Sequence[int], now: float) -> tuple[Sequence[float], Sequence[float | None]]:
    """Tails and slacks: the backward pass of the critical path method over the tasks that wait."""
    tails = [0.0] * len(work)
    latest = list(work.deadlines)  # ends; a place that has been passed: starts
    for place in reversed(sequence):
        seconds, end = work.seconds[place] or 0.0, latest[place]
        begins = latest[place] = None if end is None else end - seconds
        behind = tails[place] + seconds
        for other in work.after[place]:
            if behind > tails[other]:
                tails[other] = behind
            if begins is not None:
                ends = latest[other]
                if ends is None or begins < ends:
                    latest[other] = begins
    return tails, [None if at is None else at - now for at in latest]


def _inherited(own: Sequence[float], after: After, sequence: Sequence[int]) -> tuple[Sequence[float], Sequence[int]]:
    scores, heirs = list(own), list(range(len(own)))
    for place in reversed(sequence):
        score = scores[place]
        for other in after[place]:
            if score > scores[other]:
                scores[other], heirs[other] = score, heirs[place]
    return scores, heirs
