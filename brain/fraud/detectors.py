"""What the gateway needs to know of detectors: checks of raw fields, and words for features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brain.fraud.cases import Kind
from runtime.problems import FieldError


@dataclass(frozen=True)
class Contribution:
    """What one feature, or one field that was encoded as several, adds to the score."""

    feature: str
    value: float | str | None
    contribution: float


def check_record(kind: Kind, record: Mapping[str, object]) -> Sequence[FieldError]:
    """What is wrong with the raw fields, each with a pointer into the request."""
    return []


def words(kind: Kind, feature: str, value: float | str | None) -> str:
    """A feature with its value, as a person would say it."""
    shown = "missing" if value is None else f"{value:g}" if isinstance(value, float) else value
    return f"{feature} is {shown}"


def grouped(
    kind: Kind, contributions: Mapping[str, float], values: Mapping[str, float | None]
) -> Sequence[Contribution]:
    """Contributions by feature; those of one field's columns together."""
    return [Contribution(name, values[name], share) for name, share in contributions.items()]
