"""A challenger beside the champion, and rules tried beside those in force: stored, never acted on."""

import asyncio
from collections.abc import Mapping, Sequence

from brain.clients.errors import UpstreamError
from brain.deadline import Deadline
from brain.fraud.cases import Case, Kind
from brain.fraud.decision import Verdict, by_thresholds
from brain.fraud.predictor import Answered, FraudPredictor
from components.fraud.rules import RuleSet, decide
from runtime.logs import get_logger

_log = get_logger(__name__)

Shadowing = asyncio.Task[Answered | str] | None
"""The challenger's answer on its way; a text says why there is none."""


class Shadow:
    """Asks the challenger while the champion is asked.

    Args:
        challenger: Its predictor; None: there is none.
        rules: Rules to try; None: there are none.
        seconds: Longest wait for the challenger once the champion has answered.
    """

    def __init__(self, challenger: FraudPredictor | None, rules: RuleSet | None, seconds: float) -> None:
        self.challenger = challenger
        self.rules = rules
        self._seconds = seconds

    def begin(self, kind: Kind, records: Sequence[Mapping[str, object]], deadline: Deadline) -> Shadowing:
        """Ask the challenger; nothing waits for it yet."""
        if self.challenger is None:
            return None
        limit = Deadline(min(deadline.at, Deadline.after(self._seconds).at))
        return asyncio.create_task(_ask(self.challenger, kind, records, limit))

    async def end(
        self, shadowing: Shadowing, cases: Sequence[Case], verdicts: Sequence[Verdict]
    ) -> Sequence[Mapping[str, object] | None]:
        """What is stored beside each decision; None where nothing is tried."""
        answered = None if shadowing is None else await shadowing
        return [self._beside(answered, place, case, verdicts[place]) for place, case in enumerate(cases)]

    def _beside(
        self, answered: Answered | str | None, place: int, case: Case, verdict: Verdict
    ) -> Mapping[str, object] | None:
        beside: dict[str, object] = {}
        if isinstance(answered, str):
            beside["model"] = {"error": answered}
        elif answered is not None:
            row = answered.rows[place]
            beside["model"] = {
                "model": answered.model,
                "model_version": answered.version,
                "learner": answered.learner,
                "probability": row.probability,
                "score": row.score,
                "decision": by_thresholds(answered, row.probability),
            }
        if self.rules is not None and self.rules.document.detector == case.kind:
            known = {name: value for name, value in verdict.features.items() if value is not None}
            fired = self.rules.evaluate(case.fields, known, verdict.probability)
            beside["rules"] = {
                "rule_set": self.rules.version,
                "fired": [one.id for one in fired],
                "decision": decide(verdict.model_decision, fired),
            }
        return beside or None


async def _ask(
    challenger: FraudPredictor, kind: Kind, records: Sequence[Mapping[str, object]], deadline: Deadline
) -> Answered | str:
    try:
        return await challenger.score(kind, records, deadline)
    except UpstreamError as error:
        _log.warning("the challenger did not score", reason=error.detail)
        return error.detail
