"""What the gateway needs to know of detectors: checks of raw fields, and reasons in words."""

from collections.abc import Mapping, Sequence

from brain.fraud.cases import Kind
from components.fraud.detectors import DETECTORS, Reason
from components.fraud.raw_fields import FieldError as UnknownFieldError
from runtime.problems import FieldError


def check_record(kind: Kind, record: Mapping[str, object]) -> Sequence[FieldError]:
    """What is wrong with the raw fields, each with a pointer into the request."""
    return [FieldError(f"/record{found.pointer}", found.detail) for found in DETECTORS[kind].check(record)]


def reasons(
    kind: Kind, names: Sequence[str], values: Sequence[float | None], contributions: Sequence[float], limit: int
) -> Sequence[Reason]:
    """What speaks for fraud, most telling first; where nothing does, what speaks most against it."""
    detector = DETECTORS[kind]
    try:
        found = detector.reasons(names, values, contributions, limit=len(names))
    except UnknownFieldError:  # a version that was trained with other features than this release knows
        rows = zip(names, values, contributions, strict=True)
        found = [Reason(name, f"{name} is {value}", value, share) for name, value, share in rows if share != 0.0]
        found.sort(key=lambda one: -abs(one.contribution))
    return ([one for one in found if one.contribution > 0] or found)[:limit]
