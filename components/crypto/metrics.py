"""Scores of quantile forecasts: arrays in, arrays out; y is [n, H], quantiles are [n, H, Q] at ascending levels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.crypto.dataset import Float64Array
from feature_repo.crypto import QUANTILE_LEVELS

CONFIDENCES = {50: (0.25, 0.75), 80: (0.1, 0.9), 95: (0.025, 0.975)}
"""Central intervals in percent → the levels that bound them."""


def pinball_losses(
    targets: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float] = QUANTILE_LEVELS
) -> Float64Array:
    """Pinball loss of every level, max(p (y - q), (p - 1) (y - q)), float64 [n, H, Q].

    Its mean over levels is the headline score. Twice the integral over all levels is the CRPS; the mean over the seven
    levels of `QUANTILE_LEVELS` approximates half of it, with more weight on the tails than an even grid would give.
    """
    error = np.asarray(targets, dtype=np.float64)[..., None] - np.asarray(quantiles, dtype=np.float64)
    share = np.asarray(levels, dtype=np.float64)
    return np.asarray(np.maximum(share * error, (share - 1.0) * error), dtype=np.float64)


def interval_of(quantiles: npt.ArrayLike, percent: int) -> tuple[Float64Array, Float64Array]:
    """Lower and upper end of the central interval of 50, 80 or 95 percent, each float64 [n, H]."""
    low, high = CONFIDENCES[percent]
    table = np.asarray(quantiles, dtype=np.float64)
    return table[..., QUANTILE_LEVELS.index(low)], table[..., QUANTILE_LEVELS.index(high)]


def covered(targets: npt.ArrayLike, quantiles: npt.ArrayLike, percent: int) -> Float64Array:
    """1.0 where the target lies inside the central interval, ends included, else 0.0; float64 [n, H]."""
    low, high = interval_of(quantiles, percent)
    truth = np.asarray(targets, dtype=np.float64)
    return np.asarray((low <= truth) & (truth <= high), dtype=np.float64)


def median_of(quantiles: npt.ArrayLike) -> Float64Array:
    """The 0.5 quantile, float64 [n, H]."""
    return np.asarray(quantiles, dtype=np.float64)[..., QUANTILE_LEVELS.index(0.5)]


def scaled_price_errors(targets: npt.ArrayLike, quantiles: npt.ArrayLike, naive_errors: npt.ArrayLike) -> Float64Array:
    """Absolute error of the median price over the no-change forecast's error before the slice, float64 [n, H].

    Its mean is the MASE. Both errors are shares of the last close, so that coins and years of any price level compare,
    and the scale is that of the same horizon: 1 means as good as "no change" was on the earlier data.

    Args:
        targets: Log returns.
        quantiles: Their forecasts.
        naive_errors: [n, H] or [H], mean |exp(y) - 1| of the row's series on earlier data.
    """
    error = np.abs(np.expm1(median_of(quantiles)) - np.expm1(np.asarray(targets, dtype=np.float64)))
    return np.asarray(error / np.asarray(naive_errors), dtype=np.float64)


def direction_hits(targets: npt.ArrayLike, quantiles: npt.ArrayLike) -> Float64Array:
    """1.0 where the median has the sign of the return, 0.5 where either is zero, else 0.0; float64 [n, H].

    A probability of a rise above one half is a median above zero, so that both have the same hits.
    """
    return 0.5 + 0.5 * np.sign(np.asarray(targets, dtype=np.float64)) * np.sign(median_of(quantiles))


def brier_scores(targets: npt.ArrayLike, quantiles: npt.ArrayLike) -> Float64Array:
    """Squared error of the probability of a rise, float64 [n, H]; always saying one half scores 0.25."""
    rise = np.asarray(targets, dtype=np.float64) > 0.0
    table = np.asarray(quantiles, dtype=np.float64)
    return np.asarray((1.0 - cumulative_probability(np.zeros(table.shape[:-1]), table) - rise) ** 2, dtype=np.float64)


def cumulative_probability(points: npt.ArrayLike, quantiles: npt.ArrayLike) -> Float64Array:
    """The forecast's distribution function at `points` [n, H], float64 [n, H] (at the targets: the PIT).

    The same distribution as `components.crypto.distribution`: normal scores of the levels, linear between the quantiles
    and on with the slope of the outermost pair.
    """
    from scipy.special import ndtr, ndtri

    table = np.asarray(quantiles, dtype=np.float64)
    at = np.asarray(points, dtype=np.float64)
    scores = ndtri(np.asarray(QUANTILE_LEVELS))
    segment = np.clip((at[..., None] >= table).sum(axis=-1) - 1, 0, len(scores) - 2)[..., None]
    left = np.take_along_axis(table, segment, axis=-1)[..., 0]
    right = np.take_along_axis(table, segment + 1, axis=-1)[..., 0]
    low, high = scores[segment[..., 0]], scores[segment[..., 0] + 1]
    width = right - left
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = low + (high - low) * (at - left) / width
    atom = np.where(at < left, -np.inf, np.inf)
    return np.asarray(ndtr(np.where(width > 0.0, inside, atom)), dtype=np.float64)
