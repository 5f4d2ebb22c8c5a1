"""What the gateway needs to know of detectors: checks of raw fields, and reasons in words."""

from collections.abc import Iterable, Mapping, Sequence

from brain.clients.errors import UpstreamError
from brain.errors import shown
from brain.fraud.cases import Kind
from components.fraud.detectors import DETECTORS, Reason
from components.fraud.raw_fields import FieldError as UnknownFieldError
from runtime.problems import FieldError

MOST_UNKNOWN = 20
"""More unknown fields than this are told in one line: for each, the nearest of all known names would be looked for."""


def check_record(kind: Kind, record: Mapping[str, object]) -> Sequence[FieldError]:
    """What is wrong with the raw fields, each with a pointer into the request."""
    known = {field.name for field in DETECTORS[kind].fields}
    unknown = [name for name in record if name not in known]
    if len(unknown) > MOST_UNKNOWN:
        some = ", ".join(map(shown, unknown[:3]))
        detail = f"holds {len(unknown)} fields that are none of this detector, such as {some}; {_takes(known)}"
        return [FieldError("/record", detail)]
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


def _takes(known: Iterable[str]) -> str:
    return f"it takes {', '.join(sorted(known))}"
