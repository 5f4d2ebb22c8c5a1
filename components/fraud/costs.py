"""What a decision costs, in minor units of money, and the two thresholds whose decisions are expected to cost least.

A missed fraud costs its amount or a fixed sum; a review costs the same whoever is reviewed, and is taken to find the
truth; a genuine one that is declined costs a share of its amount and a fixed sum; a fraud that is declined nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

DECISIONS = ("accept", "review", "decline")
"""In the order of their codes 0, 1, 2."""

ACCEPT, REVIEW, DECLINE = range(3)


class CostsError(ValueError):
    """Costs that are no costs, or arrays that do not fit one another."""


@dataclass(frozen=True)
class Costs:
    """Prices of the ways to be wrong.

    Attributes:
        missed_minor: A fraud that was accepted; None: its amount.
        review_minor: A review.
        declined_share: Share of the amount that is lost with a genuine one that was declined.
        declined_minor: What is lost with it besides.
    """

    missed_minor: int | None
    review_minor: int
    declined_share: float
    declined_minor: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise CostsError(f"{name} must be finite and not negative, got {value}")

    @property
    def by_amount(self) -> bool:
        """Whether rows need an amount."""
        return self.missed_minor is None or self.declined_share > 0


COSTS: Mapping[str, Costs] = {
    "card": Costs(missed_minor=None, review_minor=250, declined_share=0.05, declined_minor=500),
    "network": Costs(missed_minor=10_000, review_minor=500, declined_share=0.0, declined_minor=2_000),
    "crypto": Costs(missed_minor=50_000, review_minor=1_000, declined_share=0.0, declined_minor=5_000),
}
"""Defaults by detector; assumptions that whoever runs the pipeline replaces by his own."""


@dataclass(frozen=True)
class Thresholds:
    """`decline` at or above the one, `review` at or above the other, and the cost a row that is expected of them.

    `review <= decline`; equal where no review is worth its fee.
    """

    review: float
    decline: float
    cost_minor: float


def decide(probability: npt.ArrayLike, review: float, decline: float) -> npt.NDArray[np.int8]:
    """Codes of `DECISIONS` for probabilities [n]."""
    given = np.asarray(probability)
    return np.where(given >= decline, DECLINE, np.where(given >= review, REVIEW, ACCEPT)).astype(np.int8)


def decision_costs(
    decision: npt.ArrayLike, fraud: npt.ArrayLike, amount_minor: npt.ArrayLike | None, costs: Costs
) -> FloatArray:
    """Cost of each decision [n] in minor units.

    Args:
        decision: Codes of `DECISIONS`, [n].
        fraud: 1 or true where it was one, [n].
        amount_minor: Amounts, [n]; None where the costs do not depend on them.
        costs: The prices.

    Raises:
        CostsError: The costs need amounts and there are none, or lengths differ.
    """
    chosen = np.asarray(decision)
    by_decision = _cost_columns(np.asarray(fraud, dtype=bool).astype(np.float64), amount_minor, costs)
    if chosen.shape != by_decision.shape[1:]:
        raise CostsError(f"a decision a row is needed, got {chosen.shape} for {by_decision.shape[1:]} rows")
    return np.asarray(np.choose(chosen, by_decision), dtype=np.float64)


def choose_thresholds(probability: npt.ArrayLike, amount_minor: npt.ArrayLike | None, costs: Costs) -> Thresholds:
    """The pair of thresholds whose decisions are expected to cost least on rows like these.

    Each row counts as a fraud in proportion to its calibrated probability (the expected cost of Elkan 2001), not by its
    label: a slice holds some hundred frauds of very unequal amounts, and one large fraud with a low probability would
    pull the threshold down to it. Every pair that lies between distinct probabilities is considered, in O(n log n):
    with rows in ascending order the cost of accepting the first i and declining those from j on is the sum of a term of
    i and a term of j. Of pairs that cost the same the one with the fewest interventions is taken. A threshold above
    every probability is 1, below every one 0.

    Args:
        probability: Calibrated, of the same model that decides, [n].
        amount_minor: Amounts, [n]; None where the costs do not depend on them.
        costs: The prices.

    Raises:
        CostsError: No rows, probabilities outside 0 to 1, or as `decision_costs`.
    """
    given = np.asarray(probability, dtype=np.float64)
    if not len(given) or not (given >= 0).all() or not (given <= 1).all():
        raise CostsError(f"thresholds need probabilities between 0 and 1, got {len(given)} rows, some may be outside")
    order = np.argsort(given, kind="stable")
    by_decision = _cost_columns(given, amount_minor, costs)[:, order]
    ascending = given[order]
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(ascending)) + 1, [len(given)]])
    accepted, reviewed, declined = (np.concatenate([[0.0], np.cumsum(column)])[cuts] for column in by_decision)
    left, right = accepted - reviewed, reviewed - declined
    best_left = np.minimum.accumulate(left)
    total = best_left + right
    upper = _last_smallest(total)
    lower = _last_smallest(left[: upper + 1])
    bounds = _bounds(ascending, cuts)
    cost = (total[upper] + declined[-1]) / len(given)
    return Thresholds(float(bounds[lower]), float(bounds[upper]), float(cost))


def _cost_columns(fraud: FloatArray, amount_minor: npt.ArrayLike | None, costs: Costs) -> FloatArray:
    """Expected cost of each decision for each row, [3, n]; `fraud` holds probabilities, or 0 and 1."""
    if amount_minor is None and costs.by_amount:
        raise CostsError(f"{costs} depend on the amount, and no amounts were given; pass amount_minor")
    amount = np.zeros(len(fraud)) if amount_minor is None else np.asarray(amount_minor, dtype=np.float64)
    if amount.shape != fraud.shape:
        raise CostsError(f"an amount a row is needed, got {amount.shape} for {fraud.shape} rows")
    missed = amount if costs.missed_minor is None else np.full(len(fraud), float(costs.missed_minor))
    lost = costs.declined_share * amount + costs.declined_minor
    review = np.full(len(fraud), float(costs.review_minor))
    return np.stack([fraud * missed, review, (1.0 - fraud) * lost])


def _bounds(ascending: FloatArray, cuts: npt.NDArray[np.intp]) -> FloatArray:
    """The threshold at each cut: half way between its neighbours, 0 before the first row and 1 after the last."""
    inner = cuts[1:-1]
    return np.concatenate([[0.0], (ascending[inner - 1] + ascending[inner]) / 2.0, [1.0]])


def _last_smallest(values: FloatArray) -> int:
    return int(len(values) - 1 - np.argmin(values[::-1]))
