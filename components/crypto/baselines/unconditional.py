"""Unconditional quantiles: what the returns of a coin over a horizon have been, whatever the hour or the market."""

from dataclasses import dataclass

from components.crypto.baselines.shapes import series_quantiles
from components.crypto.dataset import Dataset, Float32Array, Float64Array, IntArray


@dataclass(frozen=True)
class Unconditional:
    """Quantiles by series and horizon, float64 [S, H, Q]."""

    quantiles: Float64Array

    def predict(self, dataset: Dataset, rows: IntArray) -> Float32Array:
        """The series' own quantiles for every row; see `Baseline.predict`."""
        return self.quantiles.astype("float32")[dataset.series_index[rows]]


def fit_unconditional(dataset: Dataset, rows: IntArray) -> Unconditional:
    """Take the empirical quantiles of each series and horizon over `rows`."""
    targets = dataset.targets[rows].astype("float64")
    return Unconditional(series_quantiles(targets, dataset.series_index[rows], len(dataset.unique_ids)))
