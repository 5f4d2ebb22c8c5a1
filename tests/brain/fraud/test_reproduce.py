"""A decision can be made again from what the log keeps, and from nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.fraud.rules import decide, load_rules
from runtime.decision_log import DecisionLog, LoggedEvent

ANALYZE = "/api/v1/fraud/analyze"
RULES = """
name: mine
detector: card
rules:
  - {id: third, action: review, text: The third in a row., when: [{feature: customer_count_10m, at_least: 2}]}
  - {id: zero, action: decline, text: Nothing is bought., when: [{field: amount_minor, at_most: 0}]}
  - id: sure
    action: decline
    text: The model is sure, at any time of day.
    when: [{probability: true, at_least: 0.6}, {field: time_of_day, between: ["00:00", "24:00"]}]
  - {id: trusted, action: accept, text: Trusted., when: [{field: customer_id, in: [C9]}]}
"""
OTHER_RULES = "name: mine\ndetector: card\nrules: []\n"


def features_again(log: DecisionLog, event: LoggedEvent, head: int) -> dict[str, float]:
    """What the wire predictor computes, from the events of the log that the decision knew."""
    known = [one for one in log.recent(event.stream, event.keys, 0, 1000) if one.sequence <= head]
    amounts = [int(one.body["amount_minor"]) for one in known if one.kind == "transaction"]
    own = int(event.body["amount_minor"]) / 100
    return {
        "amount": own,
        "customer_count_10m": float(len(amounts)),
        "customer_amount_1h": sum(amounts) / 100,
        "terminal_risk_30d": 0.0,
    }


def decide_again(log: DecisionLog, decision_id: str) -> dict[str, Any]:
    """Model decision, rules and decision, computed from the log."""
    event = log.find_decision(decision_id)
    assert event is not None and event.decision is not None
    made: Any = event.decision
    text = log.rule_sets.get(made["rule_set_digest"])
    assert text is not None, "the text of the rules is in the log"
    rules = load_rules(text)
    assert rules.version == made["rule_set"]
    features = features_again(log, event, made["head"])
    assert features == made["features"]
    at = made["probability"]
    limits = made["thresholds"]
    model = "decline" if at >= limits["decline"] else "review" if at >= limits["review"] else "accept"
    fired = rules.evaluate(event.body, features, at)
    return {
        "model_decision": model,
        "rules": [{"id": one.id, "action": one.action, "text": one.text} for one in fired],
        "decision": decide(model, fired),  # type: ignore[arg-type]
    }


async def test_a_decision_is_made_again_from_the_log_alone_even_under_other_rules(
    open_gateway: Any, predictor: Any, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    desk = await open_gateway(predictor.url, fraud_rules_path=rules)
    begun = datetime.now(UTC) - timedelta(minutes=9)
    cases = [("C1", 100), ("C1", 40_000), ("C1", 200), ("C2", 0), ("C3", 65_000), ("C9", 90_000), ("C9", 0)]
    ids = []
    for number, (customer, amount) in enumerate(cases):
        body = {"customer_id": customer, "terminal_id": f"T{customer}", "amount_minor": amount}
        at = (begun + timedelta(minutes=number)).isoformat()
        ids.append((await desk.client.post(ANALYZE, json={**body, "occurred_at": at})).json()["id"])
    rules.write_text(OTHER_RULES)
    predictor.stop()
    later = await open_gateway("http://127.0.0.1:9", fraud_rules_path=rules)
    seen = []
    for decision_id in ids:
        found = await later.services.fraud.ledger.run(lambda log, name=decision_id: decide_again(log, name))
        read = (await later.client.get(f"/api/v1/fraud/decisions/{decision_id}")).json()
        assert found == {name: read[name] for name in found}
        assert (read["model"], read["model_version"], read["learner"]) == ("fraud-card", "7", "xgboost")
        seen.append((found["model_decision"], found["decision"], [one["id"] for one in found["rules"]]))
    assert seen == [
        ("accept", "accept", []),
        ("review", "review", []),
        ("accept", "review", ["third"]),
        ("accept", "decline", ["zero"]),
        ("review", "decline", ["sure"]),
        ("decline", "decline", ["sure", "trusted"]),
        ("accept", "decline", ["zero", "trusted"]),
    ]


async def test_a_decision_without_rules_says_that_there_were_none(desk: Any) -> None:
    from components.fraud.detectors import DETECTORS

    record = {field.name: {"category": "tcp", "text": "x"}.get(field.kind, 0) for field in DETECTORS["network"].fields}
    found = (await desk.client.post(ANALYZE, json={"kind": "network", "record": record})).json()
    assert "rule_set_digest" not in found
    read = (await desk.client.get(f"/api/v1/fraud/decisions/{found['id']}")).json()
    assert (read["rule_set"], read["rule_set_digest"]) == ("", "") and read["request"] == {"record": record}
