"""EWMA-scaled quantiles: returns divided by an exponentially weighted volatility have a fixed shape (RiskMetrics).

For every horizon, q(p) = sigma_t * z_h(p), where sigma_t is the exponentially weighted root mean squared return and z_h
the empirical quantiles of (return over h) / sigma_t of each series. The half-life of a horizon is the one with the
least pinball loss on the fitted rows.
"""

from dataclasses import dataclass

import numpy as np

from components.crypto.baselines.shapes import scaled, series_quantiles
from components.crypto.dataset import Dataset, Float32Array, Float64Array, IntArray
from components.crypto.metrics import pinball_losses

CANDIDATE_HALF_LIVES_BARS = (12, 24, 48, 96, 168, 336)
SELECTION_ROWS = 12_000


@dataclass(frozen=True)
class Ewma:
    """Half-life of every horizon [H] and standardised quantiles, float64 [S, H, Q]."""

    half_lives_bars: tuple[int, ...]
    shape: Float64Array

    def predict(self, dataset: Dataset, rows: IntArray) -> Float32Array:
        """Current volatility times the standardised quantiles; see `Baseline.predict`."""
        return scaled(self.shape[dataset.series_index[rows]], _scale(dataset, rows, self.half_lives_bars))


def fit_ewma(dataset: Dataset, rows: IntArray) -> Ewma:
    """Choose the half-life of every horizon and take the standardised quantiles over `rows`."""
    series, count = dataset.series_index[rows], len(dataset.unique_ids)
    targets = dataset.targets[rows].astype(np.float64)
    some = np.arange(0, len(rows), max(1, len(rows) // SELECTION_ROWS))
    losses = []
    for half_life in CANDIDATE_HALF_LIVES_BARS:
        scale = _scale(dataset, rows[some], (half_life,) * dataset.horizon_bars)
        shape = series_quantiles(targets[some] / scale, series[some], count)
        losses.append(pinball_losses(targets[some], scaled(shape[series[some]], scale)).mean(axis=(0, 2)))
    best = tuple(CANDIDATE_HALF_LIVES_BARS[i] for i in np.argmin(losses, axis=0))
    return Ewma(best, series_quantiles(targets / _scale(dataset, rows, best), series, count))


def _scale(dataset: Dataset, rows: IntArray, half_lives_bars: tuple[int, ...]) -> Float64Array:
    columns = [dataset.column(f"log_volatility_h{half_life}") for half_life in half_lives_bars]
    return np.exp(dataset.features[rows][:, columns].astype(np.float64))
