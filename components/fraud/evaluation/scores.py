"""What one contender scored on the rows: estimates with intervals, and what the report draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.fraud.costs import DECISIONS, Costs, decide, decision_costs
from components.fraud.evaluation.contenders import Contender
from components.fraud.evaluation.metrics import Calibration, FloatArray, IntArray, Ranking, calibration, card_precision
from components.fraud.evaluation.rows import ScoredRows
from runtime.bootstrap import block_bootstrap_means, percentile_interval

ALERTS_A_DAY = 100
RANKING_RESAMPLES = 200
CURVE_BINS = 12


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % block-bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PatternScore:
    """One kind of fraud against all genuine rows; `recall` is the share that was reviewed or declined."""

    pattern: str
    frauds: int
    recall: float
    average_precision: float


@dataclass(frozen=True)
class Scores:
    """One contender's results.

    Attributes:
        contender: Who.
        losses: float64 [n], cost of each decision in minor units.
        estimates: `cost`, `relative_cost` (1: the naive decision's), `auc`, `average_precision`.
        points: Scores without an interval: `calibration_error`, `brier`, `recall`, `precision`, `alerts_share` and,
            for cards, `card_precision_100`.
        patterns: One a kind of fraud, in alphabetical order.
        confusion: int64 [2, 3], genuine and fraud by accept, review and decline.
        calibration: The calibration curve, in bins of equal expected frauds.
    """

    contender: Contender
    losses: FloatArray
    estimates: Mapping[str, Estimate]
    points: Mapping[str, float]
    patterns: tuple[PatternScore, ...]
    confusion: IntArray
    calibration: Calibration

    def flat(self) -> dict[str, float]:
        """Every finite number as `<contender>/<score>`, intervals as `_low` and `_high`."""
        found: dict[str, float] = dict(self.points)
        for name, estimate in self.estimates.items():
            found |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        for one in self.patterns:
            found |= {f"recall_{one.pattern}": one.recall, f"average_precision_{one.pattern}": one.average_precision}
        for truth, counts in zip(("genuine", "fraud"), self.confusion, strict=True):
            found |= {f"{truth}_{decision}": float(n) for decision, n in zip(DECISIONS, counts, strict=True)}
        found |= {"threshold_review": self.contender.review, "threshold_decline": self.contender.decline}
        return {f"{self.contender.name}/{key}": value for key, value in found.items() if np.isfinite(value)}


def score(
    contender: Contender, rows: ScoredRows, naive_losses: FloatArray, costs: Costs, *, resamples: int, seed: int = 0
) -> Scores:
    """Score one contender.

    Args:
        contender: Who.
        rows: The rows it answered for.
        naive_losses: Costs of the naive decision on the same rows, [n].
        costs: What decisions cost.
        resamples: Bootstrap samples; the seed makes them the same for every contender.
        seed: See `block_bootstrap_means`.
    """
    decision = contender.decision
    losses = decision_costs(decision, rows.fraud, rows.amount_minor, costs)
    confusion = np.zeros((2, len(DECISIONS)), dtype=np.int64)
    np.add.at(confusion, (rows.fraud.astype(np.int64), decision), 1)
    curve = calibration(contender.probability, rows.fraud, CURVE_BINS, by_expected_frauds=True)
    return Scores(
        contender=contender,
        losses=losses,
        estimates={**_costs(losses, naive_losses, rows, resamples, seed), **_ranking(contender, rows, resamples, seed)},
        points=_points(contender, rows, confusion),
        patterns=_patterns(contender, rows),
        confusion=confusion,
        calibration=curve,
    )


def cost_curve(contender: Contender, rows: ScoredRows, costs: Costs, grid: FloatArray) -> FloatArray:
    """Mean cost a row with the decline threshold at each place of the grid [g], the review threshold at most there."""
    return np.array(
        [
            decision_costs(
                decide(contender.probability, min(contender.review, place), place),
                rows.fraud,
                rows.amount_minor,
                costs,
            ).mean()
            for place in grid
        ]
    )


def _costs(losses: FloatArray, naive: FloatArray, rows: ScoredRows, resamples: int, seed: int) -> dict[str, Estimate]:
    values = np.stack([losses, naive], axis=1)
    own, other = values.mean(axis=0)
    samples = block_bootstrap_means(values, rows.blocks, resamples=resamples, seed=seed)
    tiny = np.finfo(np.float64).tiny
    (low, high), _ = percentile_interval(samples)
    ratio_low, ratio_high = percentile_interval(samples[:, 0] / np.maximum(samples[:, 1], tiny))
    return {
        "cost": Estimate(float(own), float(low), float(high)),
        "relative_cost": Estimate(float(own / max(other, tiny)), float(ratio_low), float(ratio_high)),
    }


def _ranking(contender: Contender, rows: ScoredRows, resamples: int, seed: int) -> dict[str, Estimate]:
    ranking = Ranking.of(contender.probability, rows.fraud)
    area, precision = ranking.scores()
    names, block = np.unique(rows.blocks, return_inverse=True)
    generator = np.random.default_rng(seed)
    chances = np.full(len(names), 1.0 / len(names))
    drawn = generator.multinomial(len(names), chances, size=min(resamples, RANKING_RESAMPLES))
    samples = np.array([ranking.scores(weights[block]) for weights in drawn])
    whole = samples[np.isfinite(samples).all(axis=1)]
    if not len(whole):
        whole = np.array([[area, precision]])
    intervals = percentile_interval(whole)
    return {
        name: Estimate(value, float(low), float(high))
        for name, value, (low, high) in zip(("auc", "average_precision"), (area, precision), intervals, strict=True)
    }


def _points(contender: Contender, rows: ScoredRows, confusion: IntArray) -> dict[str, float]:
    flagged = confusion[:, 1:].sum(axis=1)
    points = {
        "calibration_error": calibration(contender.probability, rows.fraud).error,
        "brier": float(np.mean((contender.probability - rows.fraud) ** 2)),
        "recall": float(flagged[1] / max(confusion[1].sum(), 1)),
        "precision": float(flagged[1] / flagged.sum()) if flagged.sum() else float("nan"),
        "alerts_share": float(flagged.sum() / len(rows.fraud)),
    }
    if rows.customer is not None and rows.compromised_at is not None:
        points["card_precision_100"] = card_precision(
            contender.probability, rows.fraud, rows.customer, rows.ds, rows.compromised_at, alerts=ALERTS_A_DAY
        )
    return points


def _patterns(contender: Contender, rows: ScoredRows) -> tuple[PatternScore, ...]:
    flagged = contender.decision > 0
    found = []
    for pattern in sorted({str(kind) for kind in rows.pattern[rows.fraud] if kind}):
        own = rows.fraud & (rows.pattern == pattern)
        chosen = own | ~rows.fraud
        precision = Ranking.of(contender.probability[chosen], own[chosen]).scores()[1]
        found.append(PatternScore(pattern, int(own.sum()), float(flagged[own].mean()), precision))
    return tuple(found)
