"""The report's figures, each drawn from scores and returned as SVG text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.fraud.costs import Costs
from components.fraud.evaluation.rows import ScoredRows
from components.fraud.evaluation.scores import Scores, cost_curve
from components.pages.figures import (
    BASELINE_COLOURS,
    INK,
    MODEL_COLOURS,
    MUTED,
    add_legend,
    plain_figure,
    svg_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST = 1e-5
"""Probabilities are drawn on a logarithmic axis from here on."""

MOST_POINTS = 400
GRID_POINTS = 60
BINS = 40


def colours(scores: Sequence[Scores]) -> dict[str, str]:
    """A colour for every contender: vivid for models, grey for the naive decision."""
    models = [s.contender.name for s in scores if s.contender.kind != "baseline"]
    palette = {name: MODEL_COLOURS[i % len(MODEL_COLOURS)] for i, name in enumerate(models)}
    return {s.contender.name: palette.get(s.contender.name, BASELINE_COLOURS[1]) for s in scores}


def roc(scores: Sequence[Scores], rows: ScoredRows) -> str:
    """Share of frauds found against the share of genuine rows flagged."""
    from sklearn.metrics import roc_curve

    figure, (axes,) = plain_figure(5.8, 3.4)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
    for s in _models(scores):
        wrong, found, _ = roc_curve(rows.fraud, s.contender.probability)
        _line(axes, wrong, found, s, scores)
    axes.set(xlabel="genuine flagged, share", ylabel="frauds found, share", xlim=(0, 1), ylim=(0, 1.01))
    add_legend(figure, axes)
    return svg_text(figure)


def precision_recall(scores: Sequence[Scores], rows: ScoredRows) -> str:
    """Precision against recall; dashed the share of frauds, which flagging at random reaches."""
    from sklearn.metrics import precision_recall_curve

    figure, (axes,) = plain_figure(5.8, 3.4)
    axes.axhline(rows.fraud.mean(), color=MUTED, linewidth=0.8, linestyle="--")
    for s in _models(scores):
        precision, recall, _ = precision_recall_curve(rows.fraud, s.contender.probability)
        _line(axes, recall, precision, s, scores)
    axes.set(xlabel="frauds found (recall)", ylabel="flagged that are frauds (precision)", xlim=(0, 1), ylim=(0, 1.02))
    add_legend(figure, axes)
    return svg_text(figure)


def calibration(scores: Sequence[Scores]) -> str:
    """Share of frauds against the mean probability of each bin; on the dashed line probabilities say what happens."""
    figure, (axes,) = plain_figure(5.8, 3.4)
    axes.plot([LOWEST, 1], [LOWEST, 1], color=MUTED, linewidth=0.8, linestyle="--")
    for s in _models(scores):
        _line(axes, s.calibration.predicted, np.maximum(s.calibration.observed, LOWEST), s, scores, marker="o")
    _log_axis(axes)
    axes.set_yscale("log")
    axes.set(xlabel="mean probability of the bin", ylabel="frauds in the bin, share", ylim=(LOWEST, 1.2))
    add_legend(figure, axes)
    return svg_text(figure)


def cost(scores: Sequence[Scores], rows: ScoredRows, costs: Costs) -> str:
    """Mean cost a row against the decline threshold; the dot is the threshold in force, the dashed line naive."""
    figure, (axes,) = plain_figure(5.8, 3.4)
    grid = np.geomspace(LOWEST, 1.0, GRID_POINTS)
    for s in scores:
        value = s.estimates["cost"].value
        if s.contender.kind == "baseline":
            label = f"{s.contender.name} ({s.contender.learner})"
            axes.axhline(value, color=colours(scores)[s.contender.name], linewidth=1.3, linestyle="--", label=label)
            continue
        _line(axes, grid, cost_curve(s.contender, rows, costs, grid), s, scores)
        axes.plot([max(s.contender.decline, LOWEST)], [value], "o", color=colours(scores)[s.contender.name])
    _log_axis(axes)
    axes.set(xlabel="decline threshold", ylabel="cost a row, minor units")
    axes.set_ylim(bottom=0)
    add_legend(figure, axes)
    return svg_text(figure)


def score_histogram(winner: Scores, rows: ScoredRows) -> str:
    """Distribution of the winner's probabilities, genuine rows and each kind of fraud apart; lines at thresholds."""
    kinds = [one.pattern for one in winner.patterns] or ["fraud"]
    figure, grid = plain_figure(11.6, 1.25 * (len(kinds) + 1) + 0.6, rows=len(kinds) + 1)
    edges = np.geomspace(LOWEST, 1.0, BINS + 1)
    shown = np.clip(winner.contender.probability, LOWEST, 1.0)
    own = {one.pattern: rows.fraud & (rows.pattern == one.pattern) for one in winner.patterns}
    masks = {"genuine": ~rows.fraud, **(own or {"fraud": rows.fraud})}
    for axes, (name, mask) in zip(grid, masks.items(), strict=True):
        share = np.histogram(shown[mask], bins=edges)[0] / max(int(mask.sum()), 1)
        colour = BASELINE_COLOURS[0] if name == "genuine" else MODEL_COLOURS[1]
        axes.stairs(share, edges, fill=True, color=colour)
        for threshold in {winner.contender.review, winner.contender.decline}:
            axes.axvline(max(threshold, LOWEST), color=INK, linewidth=1.0, linestyle=":")
        axes.set_title(f"{name.replace('_', ' ')}, {int(mask.sum()):,} rows", fontsize=9, color=INK, loc="left")
        axes.set_yticks([])
        _log_axis(axes)
    grid[-1].set_xlabel("probability of fraud")
    return svg_text(figure)


def _thinned(x: "np.typing.NDArray[np.float64]", y: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.int64]":
    """Points about evenly spaced along the curve, the ends included; by index the steep part would be lost."""
    if len(x) <= MOST_POINTS:
        return np.arange(len(x))
    steps = [np.abs(np.diff(side)) / max(float(np.ptp(side)), np.finfo(np.float64).tiny) for side in (x, y)]
    walked = np.concatenate([[0.0], np.cumsum(np.sum(steps, axis=0))])
    wanted = np.searchsorted(walked, np.linspace(0.0, walked[-1], MOST_POINTS))
    return np.unique(np.append(wanted, [0, len(x) - 1])).astype(np.int64)


def _log_axis(axes: "Axes") -> None:
    axes.set_xscale("log")
    axes.set_xlim(LOWEST, 1.0)


def _models(scores: Sequence[Scores]) -> list[Scores]:
    return [s for s in scores if s.contender.kind != "baseline"]


def _line(
    axes: "Axes",
    x: "np.typing.NDArray[np.float64]",
    y: "np.typing.NDArray[np.float64]",
    s: Scores,
    scores: Sequence[Scores],
    marker: str = "",
) -> None:
    """A contender's curve, thinned to what a page can show."""
    kept = _thinned(x, y)
    style = "-" if s.contender.kind == "candidate" else (0, (5, 2))
    axes.plot(
        np.asarray(x)[kept],
        np.asarray(y)[kept],
        color=colours(scores)[s.contender.name],
        linewidth=1.8,
        linestyle=style,
        marker=marker,
        markersize=4,
        label=s.contender.name,
    )
