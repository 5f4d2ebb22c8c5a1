"""Why: contributions of features to the score, in words, within a deadline of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from brain.clients.errors import UpstreamError
from brain.deadline import Deadline
from brain.fraud import detectors
from brain.fraud.cases import Case, Kind
from brain.fraud.predictor import Answered, Explained, FraudPredictor
from components.fraud.rules import Decision

MOST_SHOWN = 5

UNITS: Mapping[str, str] = {
    "log_odds": "contributions to the log odds of the uncalibrated score; positive ones speak for fraud",
    "probability": "contributions to the uncalibrated score, a probability; positive ones speak for fraud",
}


@dataclass(frozen=True)
class Reasons:
    """Reasons of one decision; empty where none were asked for or none came in time."""

    shown: Sequence[Mapping[str, object]] = ()
    explain: str | None = None
    contributions: Mapping[str, float] | None = None
    expected: float | None = None
    warnings: Sequence[Mapping[str, str]] = field(default_factory=tuple)


def wanted(case: Case, decision: Decision) -> bool:
    """Whether reasons are to be asked for."""
    return case.explain == "always" or (case.explain == "auto" and decision != "accept")


async def explain(
    predictor: FraudPredictor,
    kind: Kind,
    answered: Answered,
    records: Sequence[Mapping[str, object]],
    places: Sequence[int],
    deadline: Deadline,
    seconds: float,
) -> Mapping[int, Reasons]:
    """Reasons of the rows at `places`; whatever goes wrong, the decisions stand and a warning says so."""
    if not places:
        return {}
    limit = Deadline(min(deadline.at, Deadline.after(seconds).at))
    try:
        found = await predictor.explain(
            kind,
            [records[place] for place in places],
            [answered.rows[place].values for place in places],
            len(answered.names),
            limit,
        )
    except UpstreamError as error:
        late = error.status == 504
        why = f"did not come within {seconds:g} s" if late else f"could not be had: {error.detail}"
        return dict.fromkeys(places, _without(f"the reasons {why}; the decision stands without them"))
    if found.version != answered.version:
        text = "the model changed between score and reasons; the decision stands without them"
        return dict.fromkeys(places, _without(text))
    return {place: _reasons(kind, answered, place, found, row) for row, place in enumerate(places)}


def _without(detail: str) -> Reasons:
    return Reasons(warnings=({"code": "no_reasons", "detail": detail},))


def _reasons(kind: Kind, answered: Answered, place: int, found: Explained, row: int) -> Reasons:
    shares = found.rows[row]
    ranked = detectors.reasons(kind, answered.names, answered.rows[place].values, shares, MOST_SHOWN)
    shown = [asdict(reason) for reason in ranked]
    contributions = dict(zip(answered.names, shares, strict=True))
    return Reasons(shown, UNITS.get(found.unit, found.unit or None), contributions, found.expected[row])
