"""What one contender scored on the rows: means with intervals, and the tables that the report draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.crypto import metrics
from components.crypto.dataset import Float32Array, Float64Array
from components.crypto.evaluation.contenders import Contender
from components.crypto.evaluation.rows import ScoredRows
from runtime.bootstrap import block_bootstrap_means, percentile_interval

PIT_BINS = 20


@dataclass(frozen=True)
class Estimate:
    """A mean over rows and horizons with its 95 % block-bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """One contender's results.

    Attributes:
        contender: Who.
        losses: float64 [n, H], pinball loss averaged over levels.
        estimates: Score name → mean and interval; `relative_pinball` is to the unconditional quantiles of each series
            and horizon, so that 1 is no better than those.
        relative: float64 [S, H], pinball relative to unconditional quantiles by series and horizon.
        below: float64 [Q], share of returns at or below each quantile.
        coverage: Percent → float64 [H], share of returns inside the central interval.
        width: Percent → float64 [H], mean width of it, in log return.
        pit: float64 [20], density of the probability integral transform in bins of equal width.
        examples: float32 [e, H, Q], quantiles of the rows that are drawn.
    """

    contender: Contender
    losses: Float64Array
    estimates: Mapping[str, Estimate]
    relative: Float64Array
    below: Float64Array
    coverage: Mapping[int, Float64Array]
    width: Mapping[int, Float64Array]
    pit: Float64Array
    examples: Float32Array


def score(
    contender: Contender,
    quantiles: Float32Array,
    rows: ScoredRows,
    reference: Float64Array,
    *,
    example_rows: list[int],
    resamples: int,
    seed: int = 0,
) -> Scores:
    """Score one contender.

    Args:
        contender: Who.
        quantiles: Its forecasts, [n, H, Q].
        rows: The rows they are for.
        reference: Pinball losses of the unconditional quantiles on the same rows, [n, H].
        example_rows: Positions in `rows` whose forecasts are kept.
        resamples: Bootstrap samples; the seed makes them the same for every contender.
        seed: See `block_bootstrap_means`.
    """
    targets = rows.targets
    losses = metrics.pinball_losses(targets, quantiles).mean(axis=2)
    cells = np.maximum(cell_means(reference, rows), np.finfo(np.float64).tiny)
    by_row: dict[str, Float64Array] = {"pinball": losses.mean(axis=1)}
    coverage, width = {}, {}
    for percent in metrics.CONFIDENCES:
        inside = metrics.covered(targets, quantiles, percent)
        low, high = metrics.interval_of(quantiles, percent)
        coverage[percent], width[percent] = inside.mean(axis=0), (high - low).mean(axis=0)
        by_row[f"coverage_{percent}"] = inside.mean(axis=1)
        by_row[f"width_{percent}"] = (high - low).mean(axis=1)
    by_row["mase"] = metrics.scaled_price_errors(targets, quantiles, rows.naive_errors).mean(axis=1)
    by_row["direction"] = metrics.direction_hits(targets, quantiles).mean(axis=1)
    by_row["brier"] = metrics.brier_scores(targets, quantiles).mean(axis=1)
    estimates = _estimates(by_row, losses / cells[rows.series], reference / cells[rows.series], rows, resamples, seed)
    transform = metrics.cumulative_probability(targets, quantiles)
    return Scores(
        contender=contender,
        losses=losses,
        estimates=estimates,
        relative=cell_means(losses, rows) / cells,
        below=(targets[..., None] <= quantiles).mean(axis=(0, 1)),
        coverage=coverage,
        width=width,
        pit=np.asarray(np.histogram(transform, bins=PIT_BINS, range=(0.0, 1.0), density=True)[0], dtype=np.float64),
        examples=quantiles[example_rows],
    )


def cell_means(losses: Float64Array, rows: ScoredRows) -> Float64Array:
    """Mean loss by series and horizon, [S, H]; NaN for a series without rows."""
    series_count = int(rows.series.max()) + 1
    counts = np.bincount(rows.series, minlength=series_count).astype(np.float64)
    sums = np.stack([np.bincount(rows.series, weights=c, minlength=series_count) for c in losses.T], axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts[:, None], dtype=np.float64)


def _estimates(
    by_row: Mapping[str, Float64Array],
    scaled: Float64Array,
    scaled_reference: Float64Array,
    rows: ScoredRows,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    columns = [*by_row.values(), scaled.mean(axis=1), scaled_reference.mean(axis=1)]
    values = np.stack(columns, axis=1)
    samples = block_bootstrap_means(values, rows.blocks, resamples=resamples, seed=seed)
    means = values.mean(axis=0)
    names = [*by_row, "relative_pinball"]
    points = [*means[:-2], means[-2] / means[-1]]
    intervals = percentile_interval(np.column_stack([samples[:, :-2], samples[:, -2] / samples[:, -1]]))
    return {
        name: Estimate(float(point), float(low), float(high))
        for name, point, (low, high) in zip(names, points, intervals, strict=True)
    }
