"""Block bootstrap of means: intervals for losses that are dependent in time.

Rows of one block (a stretch of time, all series in it) are drawn together, so that dependence inside a block, over time
and between series, stays in every resample. Blocks should be at least as long as the longest forecast horizon, since
errors of overlapping forecasts share bars.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Float64Array = npt.NDArray[np.float64]


class BootstrapError(ValueError):
    """The values cannot be resampled."""


def time_blocks(times: "npt.NDArray[np.datetime64]", block_seconds: int) -> "npt.NDArray[np.int64]":
    """Number of the stretch of `block_seconds` since 1970 that each time [n] falls into, int64 [n]."""
    import numpy as np

    if block_seconds < 1:
        raise BootstrapError(f"block_seconds must be at least 1, got {block_seconds}")
    seconds = np.asarray(times).astype("datetime64[s]").astype(np.int64)
    return np.asarray(seconds // block_seconds, dtype=np.int64)


def block_bootstrap_means(
    values: "npt.ArrayLike", block_ids: "npt.ArrayLike", *, resamples: int = 500, seed: int = 0
) -> "Float64Array":
    """Column means of `resamples` samples, each of as many blocks as there are, drawn with replacement.

    All columns of one resample come from the same blocks, so that differences and ratios of columns are paired. A
    block counts with the rows it has: a resample's mean is its sum over its number of rows.

    Args:
        values: [n, k], or [n] for one column; finite.
        block_ids: [n], any integers or times; equal values are one block. Order does not matter.
        resamples: How many samples.
        seed: The same seed draws the same blocks, whatever the values.

    Returns:
        float64 [resamples, k].

    Raises:
        BootstrapError: Nothing to resample, lengths that differ, values that are not finite, or fewer than two blocks.
    """
    import numpy as np

    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    ids = np.asarray(block_ids)
    if table.ndim != 2 or ids.shape != (table.shape[0],):
        raise BootstrapError(f"expected values [n, k] and block_ids [n], got {table.shape} and {ids.shape}")
    if not np.isfinite(table).all():
        raise BootstrapError("values to resample must be finite; drop the rows that are not")
    names, block = np.unique(ids, return_inverse=True)
    if len(names) < 2:
        raise BootstrapError(
            f"an interval needs at least 2 blocks, got {len(names)}; bring more time or shorter blocks"
        )
    sums = np.stack([np.bincount(block, weights=column, minlength=len(names)) for column in table.T], axis=1)
    counts = np.bincount(block, minlength=len(names))
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=resamples)
    return np.asarray((drawn @ sums) / (drawn @ counts)[:, None], dtype=np.float64)


def percentile_interval(samples: "npt.ArrayLike", confidence: float = 0.95) -> "Float64Array":
    """Lower and upper percentile of bootstrap samples [resamples, k], float64 [k, 2]."""
    import numpy as np

    if not 0.0 < confidence < 1.0:
        raise BootstrapError(f"confidence must lie between 0 and 1, got {confidence}")
    tail = (1.0 - confidence) / 2.0
    return np.asarray(np.quantile(np.asarray(samples), [tail, 1.0 - tail], axis=0).T, dtype=np.float64)
