"""Scores as a Markdown table."""

from collections.abc import Mapping

from bench.quality.scoring import QualityScore
from bench.quality.slices import COINS, HORIZONS


def markdown(scores: Mapping[str, QualityScore]) -> str:
    """One line an entrant: cells by coin and horizon, mean with interval, difference to HAR, coverage, width."""
    hours = " / ".join(f"{h}h" for h in HORIZONS)
    heads = ["", *(f"{coin} {hours}" for coin in COINS), "mean [95 %]", "minus HAR [95 %]"]
    heads += [f"coverage 80 ({hours})", f"coverage 95 ({hours})", f"width 80 ({hours})"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += [_line(name, score, scores.get("har")) for name, score in scores.items()]
    return "\n".join(lines)


def _line(name: str, score: QualityScore, har: QualityScore | None) -> str:
    cells = [" / ".join(f"{value:.3f}" for value in row) for row in score.cells]
    low, high = score.interval
    against = "—"
    if har is not None and score.against_har is not None:
        against = f"{score.mean - har.mean:+.4f} [{score.against_har[0]:+.4f}, {score.against_har[1]:+.4f}]"
    coverage = [" / ".join(f"{100 * value:.1f} %" for value in score.coverage[p]) for p in (80, 95)]
    width = " / ".join(f"{100 * value:.2f} %" for value in score.width[80])
    values = [name, *cells, f"**{score.mean:.4f}** [{low:.3f}, {high:.3f}]", against, *coverage, width]
    return "| " + " | ".join(values) + " |"
