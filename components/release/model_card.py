"""A page for a person: what a version is, what it was trained on, how well it does and what it is not for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.release.candidate import Candidate

_LISTED_FEATURES = 12


def model_card(
    candidate: "Candidate", *, family: str, name: str, evaluation: Mapping[str, float], limits: str = ""
) -> str:
    """Write the card in Markdown; the same candidate gives the same text. `limits` go below the family's own."""
    kind = (
        "**A baseline**: a classical model, released because no other beat it."
        if candidate.baseline
        else "A trained model."
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
    inputs = ", ".join(f"`{one.name}` {_shape(one.shape)}" for one in candidate.signature.inputs)
    outputs = ", ".join(f"`{one.name}` {_shape(one.shape)}" for one in candidate.signature.outputs)
    return f"Family `{family}`. {candidate.card.does}\n\nA row in: {inputs}; out: {outputs}.".replace(". \n", ".\n")


def _data(candidate: "Candidate") -> str:
    names = candidate.feature_names
    shown = ", ".join(f"`{feature}`" for feature in names[:_LISTED_FEATURES])
    more = f" and {len(names) - _LISTED_FEATURES} more" if len(names) > _LISTED_FEATURES else ""
    return "\n".join(
        [
            *(f"- {label}: {value}" for label, value in candidate.card.data.items()),
            f"- features: {shown}{more}",
            f"- feature definitions: `{candidate.feature_digest}`",
            f"- data: `{candidate.data_digest}` (SHA-256)",
        ]
    )


def _limits(candidate: "Candidate", more: str) -> str:
    known = candidate.card.limits or "Inputs unlike the training data are outside what its scores promise."
    return f"{known}\n\n{more}" if more else known


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else "a number"


def _table(what: str, values: Mapping[str, object]) -> str:
    if not values:
        return "None recorded."
    rows = [f"| {key} | {_shown(value)} |" for key, value in sorted(values.items())]
    return "\n".join([f"| {what} | value |", "|---|---|", *rows])


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
