"""From scores, rules and reasons to one decision as the log keeps it and callers read it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache

from brain.fraud.cases import Case
from brain.fraud.predictor import Answered, Scored
from brain.fraud.reasons import Reasons
from components.fraud.rules import Decision, Fired, RuleSet, decide
from components.fraud.rules.reading import digest
from runtime.decision_log import LoggedEvent, NewAlert, NewEvent

INTERNAL = (
    *("features", "contributions", "expected", "state_sequences", "head", "shadow", "model_decision"),
    "rule_set_digest",
)
"""Kept with a decision and shown by `GET /decisions/{id}`, not in the first answer."""

_digest = lru_cache(8)(digest)
_SEVERITY: Mapping[Decision, str] = {"decline": "high", "review": "medium", "accept": "low"}


@dataclass(frozen=True)
class Verdict:
    """What model and rules come to; nothing of it is recorded yet."""

    model_decision: Decision
    decision: Decision
    fired: Sequence[Fired]
    features: Mapping[str, float | None]
    probability: float
    rule_set_digest: str
    """Under which the log keeps the text of the rules; empty where there are none."""


def judge(case: Case, answered: Answered, row: Scored, rules: RuleSet | None) -> Verdict:
    """Put thresholds and rules together."""
    at = row.probability
    model = by_thresholds(answered, at)
    features = dict(zip(answered.names, row.values, strict=True))
    known = {name: value for name, value in features.items() if value is not None}
    fired = () if rules is None else rules.evaluate(case.fields, known, at)
    return Verdict(model, decide(model, fired), fired, features, at, "" if rules is None else _digest(rules.text))


def by_thresholds(answered: Answered, probability: float) -> Decision:
    """What the model's own thresholds say."""
    if probability >= answered.decline:
        return "decline"
    return "review" if probability >= answered.review else "accept"


@dataclass(frozen=True)
class AlertPolicy:
    """From which decision on an alert is raised, and who is told."""

    least: Decision
    targets: Sequence[str]

    def wants(self, decision: Decision) -> bool:
        """Whether a decision raises one."""
        return decision == "decline" or (decision == "review" and self.least == "review")


def compose(
    case: Case,
    answered: Answered,
    row: Scored,
    verdict: Verdict,
    reasons: Reasons,
    *,
    rule_set: str,
    warnings: Sequence[Mapping[str, str]],
    alerts: AlertPolicy,
    head: int,
    shadow: Mapping[str, object] | None,
) -> NewEvent:
    """The event to commit, with everything that the decision rests on."""
    alert_id = f"alrt_{uuid.uuid4().hex}" if alerts.wants(verdict.decision) else None
    severity = _SEVERITY[verdict.decision]
    document: dict[str, object] = {
        "id": f"dcsn_{uuid.uuid4().hex}",
        "kind": case.kind,
        "transaction_id": case.transaction_id,
        "occurred_at": case.occurred_at.isoformat(),
        "probability": row.probability,
        "score": row.score,
        "decision": verdict.decision,
        "thresholds": {"review": answered.review, "decline": answered.decline},
        "reasons": reasons.shown,
        "reasons_explain": reasons.explain,
        "rules": [{"id": one.id, "action": one.action, "text": one.text} for one in verdict.fired],
        "alert": None if alert_id is None else {"id": alert_id, "severity": severity},
        "model": answered.model,
        "model_version": answered.version,
        "learner": answered.learner,
        "rule_set": rule_set,
        "warnings": [*warnings, *reasons.warnings],
        **row.extra,
        "model_decision": verdict.model_decision,
        "rule_set_digest": verdict.rule_set_digest,
        "features": verdict.features,
        "contributions": reasons.contributions,
        "expected": reasons.expected,
        "state_sequences": list(row.state_sequences),
        "head": head,
        "shadow": shadow,
    }
    return NewEvent(
        stream=case.stream,
        kind="transaction",
        event_id=case.transaction_id,
        keys=case.keys,
        occurred_at_us=case.occurred_at_us,
        body=case.body,
        caller=case.caller,
        idempotency_key=case.idempotency_key,
        request_digest=case.digest,
        decision=document,
        alert=None
        if alert_id is None
        else NewAlert(alert_id, severity, _alert_body(case, document), tuple(alerts.targets)),
    )


def _alert_body(case: Case, document: Mapping[str, object]) -> Mapping[str, object]:
    kept = ("kind", "transaction_id", "occurred_at", "decision", "probability", "reasons", "rules", "model")
    about = {name: value for name, value in case.body.items() if name in ("customer_id", "terminal_id", "amount_minor")}
    currency = {"currency": case.body["currency"]} if "currency" in case.body else {}
    named = {name: document[name] for name in (*kept, "model_version")}
    return {"decision_id": document["id"], **named, **about, **currency}


def answer_of(event: LoggedEvent) -> dict[str, object]:
    """What a caller reads of a decision in the log."""
    kept = {name: value for name, value in (event.decision or {}).items() if name not in INTERNAL}
    return {**kept, "sequence": event.sequence}


def full_answer_of(event: LoggedEvent, label: LoggedEvent | None) -> dict[str, object]:
    """The same with features, contributions and what became known since."""
    known = None
    if label is not None:
        known = {"fraud": label.body.get("fraud"), "known_at": label.body.get("known_at"), "sequence": label.sequence}
    return {
        **(event.decision or {}),
        "sequence": event.sequence,
        "committed_at": event.committed_at.astimezone(UTC).isoformat(),
        "request": dict(event.body),
        "label": known,
    }
