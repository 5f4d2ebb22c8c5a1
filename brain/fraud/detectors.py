"""What the gateway needs to know of detectors: checks of raw fields, and reasons in words."""

from collections.abc import Mapping, Sequence

from brain.clients.errors import UpstreamError
from brain.errors import shown
from brain.fraud.cases import MOST_NAME_CHARACTERS, Kind
from components.fraud.detectors import DETECTORS, Reason
from components.fraud.raw_fields import FieldError as UnknownFieldError
from runtime.problems import FieldError

MOST_UNKNOWN = 5
"""More unknown fields than this are told in one line: for each, the nearest of all known names would be looked for."""


def misshapen(kind: Kind, record: Mapping[str, object]) -> Sequence[FieldError]:
    """One error for a record that is none of this detector at all, before anything is said of its fields."""
    known = {field.name for field in DETECTORS[kind].fields}
    unknown = [name for name in record if name not in known]
    if len(unknown) <= MOST_UNKNOWN and all(len(name) <= MOST_NAME_CHARACTERS for name in unknown):
        return ()
    some = ", ".join(map(shown, unknown[: 2 * MOST_UNKNOWN]))
    detail = f"holds {len(unknown)} fields that are none of this detector, such as {some}; it takes "
    return [FieldError("/record", detail + ", ".join(sorted(known)))]


def check_record(kind: Kind, record: Mapping[str, object]) -> Sequence[FieldError]:
    """What is wrong with the raw fields, each with a pointer into the request."""
    return [FieldError(f"/record{found.pointer}", found.detail) for found in DETECTORS[kind].check(record)]


def untrained(kind: Kind, error: UpstreamError) -> str | None:
    """What trains a detector's first model, where the registry holds none; None where it is away for another reason.

    The predictor offers the command only then: a model that it cannot load or look up is not served either, and is
    nobody's to train.
    """
    return f"not trained yet: {DETECTORS[kind].train_command}" if "train one:" in error.detail else None


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
