"""Empirical quantiles by group, the distribution shape of every baseline."""

import numpy as np
import numpy.typing as npt

from components.crypto.baselines.port import BaselineError
from components.crypto.dataset import Float32Array, Float64Array
from feature_repo.crypto import QUANTILE_LEVELS

MIN_ROWS = 50


def pooled_quantiles(values: Float64Array) -> Float64Array:
    """Quantiles of `values` [n, H] at `QUANTILE_LEVELS`, float64 [H, Q]; raises BaselineError under 50 rows."""
    if len(values) < MIN_ROWS:
        raise BaselineError(f"quantiles need at least {MIN_ROWS} rows, got {len(values)}; bring more history")
    return np.asarray(np.quantile(values, QUANTILE_LEVELS, axis=0).T, dtype=np.float64)


def series_quantiles(values: Float64Array, series: npt.NDArray[np.integer], series_count: int) -> Float64Array:
    """Quantiles of `values` [n, H] by series [n], float64 [S, H, Q]; under 50 rows a series takes the pooled ones."""
    pooled = pooled_quantiles(values)
    result = np.repeat(pooled[None], series_count, axis=0)
    for number in range(series_count):
        own = values[series == number]
        if len(own) >= MIN_ROWS:
            result[number] = pooled_quantiles(own)
    return result


def scaled(shape: Float64Array, scale: Float64Array) -> Float32Array:
    """Shape [n, H, Q] or [H, Q] times scale [n, H], float32 [n, H, Q]."""
    return np.asarray(shape * scale[:, :, None], dtype=np.float32)
