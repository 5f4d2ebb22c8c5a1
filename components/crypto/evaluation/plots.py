"""The report's figures, each drawn from scores and returned as SVG text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.crypto.dataset import Dataset
from components.crypto.evaluation.rows import ScoredRows
from components.crypto.evaluation.scores import PIT_BINS, Scores
from components.crypto.metrics import CONFIDENCES, interval_of, median_of
from components.crypto.series import Series
from components.pages.figures import BASELINE_COLOURS, INK, MODEL_COLOURS, MUTED, add_legend, plain_figure, svg_text
from feature_repo.crypto import QUANTILE_LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = ((0, (1, 1)), (0, (5, 2)), (0, (4, 1.5, 1, 1.5)), (0, (8, 3)))
FAN_ALPHA = {95: 0.15, 80: 0.22, 50: 0.32}
HISTORY_BARS = 72
PERIOD = np.timedelta64(7, "D")


def colours(scores: Sequence[Scores]) -> dict[str, str]:
    """A colour for every contender: vivid for models, grey for baselines."""
    models = [s.contender.name for s in scores if s.contender.kind != "baseline"]
    others = [s.contender.name for s in scores if s.contender.kind == "baseline"]
    return {
        **{name: MODEL_COLOURS[i % len(MODEL_COLOURS)] for i, name in enumerate(models)},
        **{name: BASELINE_COLOURS[i % len(BASELINE_COLOURS)] for i, name in enumerate(others)},
    }


def skill_by_horizon(scores: Sequence[Scores]) -> str:
    """Pinball loss relative to unconditional quantiles against the horizon, the mean over series."""
    figure, (axes,) = plain_figure(5.8, 3.2)
    for s in scores:
        relative = np.nanmean(s.relative, axis=0)
        _line(axes, np.arange(1, len(relative) + 1), relative, s, scores)
    axes.set_xlabel("horizon, bars")
    axes.set_ylabel("pinball, unconditional = 1")
    add_legend(figure, axes)
    return svg_text(figure)


def reliability(scores: Sequence[Scores]) -> str:
    """Observed minus nominal share below each quantile, in percentage points."""
    figure, (axes,) = plain_figure(5.8, 3.2)
    nominal = np.asarray(QUANTILE_LEVELS)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    for s in scores:
        _line(axes, nominal, (s.below - nominal) * 100.0, s, scores, marker="o")
    axes.set_xticks(nominal, [f"{level:g}" for level in nominal])
    axes.set_xlabel("nominal level")
    axes.set_ylabel("observed − nominal, points")
    add_legend(figure, axes)
    return svg_text(figure)


def pit_histogram(winner: Scores) -> str:
    """Density of the winner's probability integral transform; flat at 1 where the forecast is calibrated."""
    figure, (axes,) = plain_figure(5.8, 3.0)
    edges = np.linspace(0.0, 1.0, PIT_BINS + 1)
    axes.bar(edges[:-1], winner.pit, width=1.0 / PIT_BINS, align="edge", color="#93c5fd", edgecolor="white")
    axes.axhline(1.0, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("forecast probability of a lower return than the one that came")
    axes.set_ylabel("density")
    return svg_text(figure)


def widths(scores: Sequence[Scores], percent: int = 80) -> str:
    """Mean width of a central interval against the horizon, in percent of the price."""
    figure, (axes,) = plain_figure(5.8, 3.2)
    for s in scores:
        width = s.width[percent] * 100.0
        _line(axes, np.arange(1, len(width) + 1), width, s, scores)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("horizon, bars")
    axes.set_ylabel(f"mean {percent} % width, % of price")
    add_legend(figure, axes)
    return svg_text(figure)


def coverage_by_horizon(winner: Scores) -> str:
    """Share of returns inside the winner's central intervals against the horizon."""
    figure, (axes,) = plain_figure(5.8, 3.0)
    for (percent, inside), colour in zip(winner.coverage.items(), ("#93c5fd", "#3b82f6", "#1e3a8a"), strict=True):
        axes.axhline(percent, color=MUTED, linewidth=0.8, linestyle="--")
        axes.plot(np.arange(1, len(inside) + 1), inside * 100.0, color=colour, linewidth=1.8, label=f"{percent} %")
    axes.set_xlabel("horizon, bars")
    axes.set_ylabel("observed coverage, %")
    axes.set_ylim(40, 100)
    add_legend(figure, axes)
    return svg_text(figure)


def loss_over_time(scores: Sequence[Scores], rows: ScoredRows) -> str:
    """Pinball loss relative to unconditional quantiles by week."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure, (axes,) = plain_figure(5.8, 3.2)
    week = ((rows.ds - rows.ds.min()) // PERIOD).astype(np.int64)
    counts = np.bincount(week)
    starts = rows.ds.min() + np.arange(len(counts)) * PERIOD
    reference = next(s for s in scores if s.contender.name == "unconditional").losses.mean(axis=1)
    whole = counts >= 0.5 * counts.max()
    for s in scores:
        ratio = np.bincount(week, weights=s.losses.mean(axis=1)) / np.maximum(
            np.bincount(week, weights=reference), 1e-300
        )
        _line(axes, starts[whole], ratio[whole], s, scores)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("week that begins")
    axes.set_ylabel("pinball, unconditional = 1")
    add_legend(figure, axes)
    return svg_text(figure)


def fans(winner: Scores, rows: ScoredRows, dataset: Dataset, positions: Sequence[int]) -> str:
    """Fan charts of the winner's kept forecasts over the closes before and after."""
    figure, grid = plain_figure(11.6, 6.4, rows=2, columns=2)
    for axes, position, quantiles in zip(grid, positions, winner.examples, strict=False):
        _fan(axes, dataset, int(rows.rows[position]), quantiles[None])
    add_legend(figure, grid[0])
    return svg_text(figure)


def _fan(
    axes: "Axes", dataset: Dataset, row: int, quantiles: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    horizon = dataset.horizon_bars
    start = max(int(dataset.run_start[row]), row - HISTORY_BARS + 1)
    last = dataset.close[row]
    ahead = np.arange(0, horizon + 1)
    for percent in sorted(CONFIDENCES, reverse=True):
        low, high = (np.concatenate([[0.0], side[0]]) for side in interval_of(quantiles, percent))
        axes.fill_between(
            ahead, last * np.exp(low), last * np.exp(high), color="#2563eb", alpha=FAN_ALPHA[percent], linewidth=0
        )
    median = np.concatenate([[0.0], median_of(quantiles)[0]])
    axes.plot(ahead, last * np.exp(median), color="#1d4ed8", linewidth=1.2, label="median")
    axes.plot(np.arange(start - row, 1), dataset.close[start : row + 1], color=INK, linewidth=1.1, label="close before")
    came = np.exp(np.concatenate([[0.0], dataset.targets[row].astype(np.float64)])) * last
    axes.plot(ahead, came, color="#dc2626", linewidth=1.2, label="close that came")
    symbol = Series.parse(dataset.unique_ids[dataset.series_index[row]]).symbol
    axes.set_title(f"{symbol}, {dataset.moment(row):%d %B %Y %H:%M} UTC", fontsize=9, color=INK, loc="left")
    axes.set_xlabel("bars from the forecast")


def _line(
    axes: "Axes", x: npt.ArrayLike, y: npt.ArrayLike, s: Scores, scores: Sequence[Scores], marker: str = ""
) -> None:
    model = s.contender.kind != "baseline"
    order = [other.contender.name for other in scores if other.contender.kind == "baseline"]
    dashes = "-" if model else DASHES[order.index(s.contender.name) % len(DASHES)]
    axes.plot(
        np.asarray(x),
        np.asarray(y),
        color=colours(scores)[s.contender.name],
        linewidth=2.0 if model else 1.3,
        linestyle=dashes,
        marker=marker,
        markersize=4,
        label=s.contender.name,
        zorder=3 if model else 2,
    )
