"""What every baseline is: a fit that sees past rows only, and quantiles for rows that come later."""

from datetime import datetime
from typing import Protocol

import numpy as np

from components.crypto.dataset import Dataset, Float32Array, IntArray
from components.crypto.splits import Interval


class BaselineError(ValueError):
    """A baseline cannot be fitted on the rows it was given."""


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, dataset: Dataset, rows: IntArray) -> Float32Array:
        """Quantiles of cumulative log return for `rows` [n] at `QUANTILE_LEVELS`, float32 [n, H, Q].

        The forecast of a row uses bars up to that row only.
        """
        ...


class FitBaseline(Protocol):
    """How a baseline is fitted: on the features and targets of `rows`, all of which have every target."""

    def __call__(self, dataset: Dataset, rows: IntArray) -> Baseline:
        """Fit; raises BaselineError where the rows are too few."""
        ...


def rolling_predictions(
    fit: FitBaseline, dataset: Dataset, fit_from: datetime, rows: IntArray, *, refits: int = 1
) -> Float32Array:
    """Predict `rows` in time order with a baseline that is fitted again at evenly spaced origins.

    Each fit uses rows from `fit_from` on whose last target is known at the origin.

    Args:
        fit: The baseline.
        dataset: Features and targets.
        fit_from: Earliest bar of every fit.
        rows: What to predict, in any order.
        refits: How many origins; the first lies at the earliest of `rows`.

    Returns:
        float32 [n, H, Q] in the order of `rows`.
    """
    times = dataset.ds[rows]
    edges = np.linspace(times.min().astype(np.int64), times.max().astype(np.int64) + 1, refits + 1)
    stretch = np.clip(np.searchsorted(edges, times.astype(np.int64), side="right") - 1, 0, refits - 1)
    predictions: Float32Array | None = None
    for number in np.unique(stretch):
        chosen = np.flatnonzero(stretch == number)
        origin = dataset.moment(rows[chosen][np.argmin(times[chosen])])
        known = Interval(fit_from, max(fit_from, origin - dataset.horizon_bars * dataset.timeframe.delta))
        part = fit(dataset, dataset.rows(known)).predict(dataset, rows[chosen])
        if predictions is None:
            predictions = np.empty((len(rows), *part.shape[1:]), dtype=np.float32)
        predictions[chosen] = part
    if predictions is None:
        raise BaselineError("there are no rows to predict")
    return predictions
