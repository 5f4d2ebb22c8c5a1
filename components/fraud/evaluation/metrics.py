"""Scores of probabilities of fraud against the truth, as numbers and curves; numpy arrays in, floats out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """Rows in falling order of probability, ties kept together, for weighted scores in one pass.

    Attributes:
        order: int64 [n], rows from the most to the least suspicious.
        ends: int64 [t], position of the last row of each run of equal probabilities.
        fraud: bool [n], in that order.
    """

    order: IntArray
    ends: IntArray
    fraud: BoolArray

    @classmethod
    def of(cls, probability: npt.ArrayLike, fraud: npt.ArrayLike) -> "Ranking":
        """Rank rows [n]."""
        given = np.asarray(probability)
        order = np.argsort(-given, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(given[order])), len(given) - 1)
        return cls(order, ends, np.asarray(fraud, dtype=bool)[order])

    def scores(self, weights: npt.ArrayLike | None = None) -> tuple[float, float]:
        """Area under the ROC curve and average precision, rows weighted [n]; NaN where one class weighs nothing.

        Average precision is the sum of precision times the gain in recall over distinct probabilities, as
        scikit-learn defines it, so that both agree.
        """
        weight = np.ones(len(self.order)) if weights is None else np.asarray(weights, dtype=np.float64)[self.order]
        hits = np.cumsum(np.where(self.fraud, weight, 0.0))[self.ends]
        alarms = np.cumsum(np.where(self.fraud, 0.0, weight))[self.ends]
        if hits[-1] <= 0 or alarms[-1] <= 0:
            return float("nan"), float("nan")
        gained, wrong = np.diff(hits, prepend=0.0), np.diff(alarms, prepend=0.0)
        area = float(np.sum(wrong * (hits - gained / 2.0)) / (hits[-1] * alarms[-1]))
        precision = hits / np.maximum(hits + alarms, np.finfo(np.float64).tiny)
        return area, float(np.sum(gained * precision) / hits[-1])


@dataclass(frozen=True)
class Calibration:
    """Bins of rows: mean probability, share of frauds and rows of each, all [b], ascending."""

    predicted: FloatArray
    observed: FloatArray
    rows: IntArray

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of the two, bins weighted by their rows."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.rows))


def calibration(
    probability: npt.ArrayLike, fraud: npt.ArrayLike, bins: int = 20, *, by_expected_frauds: bool = False
) -> Calibration:
    """Bin rows [n] by probability, in bins of equal count.

    Args:
        probability: [n].
        fraud: [n].
        bins: At most so many.
        by_expected_frauds: Bins of equal sums of probability instead; where frauds are rare nearly all rows lie close
            to zero, and only such bins hold enough frauds each to be drawn.
    """
    given = np.asarray(probability, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    truth = np.asarray(fraud, dtype=np.float64)
    mass = np.cumsum(given[order]) if by_expected_frauds else np.arange(1, len(order) + 1, dtype=np.float64)
    cuts = np.searchsorted(mass, mass[-1] * np.arange(1, bins) / bins, side="right")
    parts = [part for part in np.split(order, cuts) if len(part)]
    return Calibration(
        predicted=np.array([given[part].mean() for part in parts]),
        observed=np.array([truth[part].mean() for part in parts]),
        rows=np.array([len(part) for part in parts], dtype=np.int64),
    )


def card_precision(
    probability: npt.ArrayLike,
    fraud: npt.ArrayLike,
    customer: npt.ArrayLike,
    ds: npt.NDArray[np.datetime64],
    compromised_at: npt.NDArray[np.datetime64],
    alerts: int = 100,
) -> float:
    """Mean over days of the share of truly compromised cards among the `alerts` most suspicious ones of the day.

    A card's suspicion is the highest probability of its transactions on the day. Left out is a card whose fraud was
    known when the day began: from a label, or since an alert of an earlier day found it ("card precision top-k",
    Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, chapter 4). A day with fewer cards
    than alerts counts the cards that it has.

    Args:
        probability: [n].
        fraud: [n].
        customer: [n], integers.
        ds: datetime64 [n], when each transaction happened.
        compromised_at: datetime64 [n], when a fraud of its customer was first known; NaT for never.
        alerts: How many cards a day are looked at.
    """
    given, truth, card = np.asarray(probability), np.asarray(fraud, dtype=bool), np.asarray(customer)
    day = ds.astype("datetime64[D]")
    found: set[int] = set()
    precisions = []
    for today in np.unique(day):
        known = compromised_at <= today.astype("datetime64[us]")
        rows = np.flatnonzero((day == today) & ~known & ~np.isin(card, list(found)))
        if not len(rows):
            continue
        cards, number = np.unique(card[rows], return_inverse=True)
        suspicion = np.full(len(cards), -np.inf)
        np.maximum.at(suspicion, number, given[rows])
        compromised = np.bincount(number, weights=truth[rows], minlength=len(cards)) > 0
        top = np.lexsort((cards, -suspicion))[:alerts]
        precisions.append(float(compromised[top].mean()))
        found.update(int(c) for c in cards[top][compromised[top]])
    return float(np.mean(precisions)) if precisions else float("nan")
