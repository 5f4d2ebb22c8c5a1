"""A page for a person: what a version is, what it was trained on, how well it does and what it is not for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.release.candidate import Candidate

_LISTED_FEATURES = 12


def model_card(
    candidate: "Candidate", *, family: str, name: str, evaluation: Mapping[str, float], limits: str = ""
) -> str:
    """Write the card in Markdown; the same candidate gives the same text. `limits` are the family's own words."""
    kind = (
        "**A baseline**: a classical model, released because no network beat it."
        if candidate.baseline
        else "A trained network."
    )
    sections = [
        f"# {name}: {candidate.network}\n\n{kind}",
        "## What it does\n\n" + _purpose(candidate, family),
        "## Trained on\n\n" + _data(candidate),
        "## Scores on held-out time\n\n" + _table("score", evaluation),
        "## Scores of the training itself\n\n" + _table("score", candidate.metrics),
        "## Parameters\n\n" + _table("parameter", candidate.parameters),
        "## Limits\n\n" + _limits(candidate, limits),
    ]
    return "\n\n".join(sections) + "\n"


def _purpose(candidate: "Candidate", family: str) -> str:
    levels = ", ".join(f"{level:g}" for level in candidate.quantile_levels)
    return (
        f"Family `{family}`. From the last {candidate.window_bars} bars of {len(candidate.feature_names)} features it "
        f"predicts the quantiles {levels} for each of the next {candidate.horizon_bars} bars of {candidate.timeframe}. "
        "Scaling and calibration are inside `model.onnx`."
    )


def _data(candidate: "Candidate") -> str:
    names = candidate.feature_names
    shown = ", ".join(f"`{feature}`" for feature in names[:_LISTED_FEATURES])
    more = f" and {len(names) - _LISTED_FEATURES} more" if len(names) > _LISTED_FEATURES else ""
    return "\n".join(
        [
            f"- market: {candidate.market}",
            f"- symbols: {', '.join(candidate.symbols)}",
            f"- features: {shown}{more}",
            f"- feature definitions: `{candidate.feature_digest}`",
            f"- data: `{candidate.data_digest}` (SHA-256)",
        ]
    )


def _limits(candidate: "Candidate", more: str) -> str:
    known = (
        f"It knows {', '.join(candidate.symbols)} on {candidate.market} and nothing else; another market is another "
        "model. Inputs unlike the training data are outside what its intervals promise."
    )
    return f"{known}\n\n{more}" if more else known


def _table(what: str, values: Mapping[str, object]) -> str:
    if not values:
        return "None recorded."
    rows = [f"| {key} | {_shown(value)} |" for key, value in sorted(values.items())]
    return "\n".join([f"| {what} | value |", "|---|---|", *rows])


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
