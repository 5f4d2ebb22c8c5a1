"""`GET /api/v1/fraud/drift`, its metrics, and what `/status` makes of it; shadow mode; the other detectors."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.wire import WirePredictor, WireServer

CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200}
ANALYZE, DRIFT = "/api/v1/fraud/analyze", "/api/v1/fraud/drift"
QUICK = {"fraud_drift_least": 20, "fraud_drift_seconds": 0.01}
LOW = {"edges": [0.1, 0.3, 0.7], "shares": [1.0, 0.0, 0.0, 0.0]}
REFERENCE = {"probability": LOW, "inputs": {"amount": {"edges": [100.0], "shares": [1.0, 0.0]}}}


async def decide(desk: Any, amount: int, rows: int = 20) -> None:
    batch = [{**CARD, "customer_id": f"C{n}", "terminal_id": f"T{n}", "amount_minor": amount} for n in range(rows)]
    answer = await desk.client.post(f"{ANALYZE}/batch", json={"rows": batch})
    assert "failed" not in answer.json()["counts"]


async def drift_of(desk: Any) -> dict[str, Any]:
    await asyncio.sleep(0.05)  # longer than a comparison is kept in these tests
    (found,) = (await desk.client.get(DRIFT)).json()["models"]
    return dict(found)


async def indices(desk: Any) -> dict[str, float]:
    """The stability index of each input, from the metrics."""
    metrics = (await desk.client.get("/metrics")).text
    return {
        name: float(value)
        for name, value in re.findall(r'^brain_fraud_drift_index{input="(\w+)".*} (.+)$', metrics, re.M)
    }


async def test_decisions_like_the_training_data_are_stable(open_gateway: Any, predictor: Any) -> None:
    predictor.predictor.fraud.reference = REFERENCE
    desk = await open_gateway(predictor.url, **QUICK)
    await decide(desk, 4200)
    found = await drift_of(desk)
    assert (found["state"], found["decisions"], found["counts"]) == ("stable", 20, {"accept": 20})
    assert found["score"] == pytest.approx(0, abs=0.01) and found["histogram"][0] == 20


async def test_what_has_moved_is_named_in_the_report_the_metrics_and_the_status(
    open_gateway: Any, predictor: Any
) -> None:
    predictor.predictor.fraud.reference = REFERENCE
    desk = await open_gateway(predictor.url, **QUICK)
    await decide(desk, 50_000)
    found = await drift_of(desk)
    assert found["state"] == "drifted" and "the score" in found["detail"] and "amount" in found["detail"]
    assert (await indices(desk))["amount"] > 1
    status = (await desk.client.get("/status")).json()
    card = next(part for part in status["parts"] if part["name"] == "fraud-card")
    assert card["state"] == "degraded" and "amount" in card["detail"]


async def test_a_few_decisions_are_not_judged_and_a_missing_reference_is_told(
    open_gateway: Any, predictor: Any
) -> None:
    desk = await open_gateway(predictor.url, **QUICK)
    await decide(desk, 4200, rows=5)
    assert (await drift_of(desk))["state"] == "too_few"
    await decide(desk, 4200)
    found = await drift_of(desk)
    assert found["state"] == "unknown" and "nothing to compare with" in found["detail"]


async def test_only_the_newest_version_is_compared(open_gateway: Any, predictor: Any) -> None:
    predictor.predictor.fraud.reference = REFERENCE
    desk = await open_gateway(predictor.url, **QUICK)
    await decide(desk, 90_000)
    predictor.predictor.fraud.version = "8"
    await decide(desk, 4200, rows=25)
    found = await drift_of(desk)
    assert (found["model_version"], found["decisions"], found["state"]) == ("8", 25, "stable")


async def test_indices_of_a_version_that_is_no_longer_compared_leave_the_metrics(
    open_gateway: Any, predictor: Any
) -> None:
    predictor.predictor.fraud.reference = REFERENCE
    desk = await open_gateway(predictor.url, **QUICK)
    await decide(desk, 90_000)
    assert (await drift_of(desk))["state"] == "drifted"
    assert await indices(desk)
    predictor.predictor.fraud.version = "8"
    await decide(desk, 4200, rows=5)
    assert (await drift_of(desk))["state"] == "too_few"
    assert not await indices(desk)


async def test_drift_names_detectors_without_a_model_with_the_command_that_trains_them(
    open_gateway: Any, predictor: Any
) -> None:
    predictor.predictor.fraud.missing_models = ("card", "network")
    desk = await open_gateway(predictor.url, **QUICK)
    found = (await desk.client.get(DRIFT)).json()
    command = "python -m pipelines run fraud-detection --target local"
    assert found["models"] == []
    assert {one["model"]: one["detail"] for one in found["absent"]} == {
        "fraud-card": f"not trained yet: {command}",
        "fraud-network": f"not trained yet: {command} --param detector=network --param data=PATH",
    }
    predictor.stop()
    away = await open_gateway(predictor.url, **QUICK)
    assert (await away.client.get(DRIFT)).json()["absent"] == [], "away is not the same as untrained"


async def parts_of(desk: Any) -> dict[str, Any]:
    return {part["name"]: part for part in (await desk.client.get("/status")).json()["parts"]}


async def test_only_a_model_that_the_registry_lacks_is_called_untrained(desk: Any, wire_fraud: Any) -> None:
    usual = wire_fraud.respond
    why = "the registry cannot be read, and there is no local copy"

    def away(path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if "fraud-crypto" in path:
            return 503, {"error": f"no version of fraud-crypto is served yet: {why}"}
        return usual(path, body)  # type: ignore[no-any-return]

    wire_fraud.respond = away
    wire_fraud.missing_models = ("card", "network")
    parts = await parts_of(desk)
    assert (parts["fraud-crypto"]["state"], parts["fraud-network"]["state"]) == ("down", "absent")
    assert why in parts["fraud-crypto"]["detail"] and "train" not in parts["fraud-crypto"]["detail"]
    assert parts["fraud-card"]["state"] == "down", "the one for cards is required"
    assert "pipelines run fraud-detection" in parts["fraud-card"]["detail"]
    found = (await desk.client.get(DRIFT)).json()["absent"]
    assert [one["kind"] for one in found] == ["card", "network"]


async def test_events_that_wait_for_a_silent_feature_writer_are_told(desk: Any) -> None:
    assert (await parts_of(desk))["fraud features"]["state"] == "up"
    await desk.client.post(ANALYZE, json=CARD)
    waiting = (await parts_of(desk))["fraud features"]
    assert (waiting["state"], waiting["lag"]) == ("degraded", 1) and "no feature writer was heard of" in waiting[
        "detail"
    ]
    await desk.services.fraud.ledger.run(lambda log: log.set_cursor("fraud-features", 1))
    assert (await parts_of(desk))["fraud features"]["state"] == "up"


async def test_the_status_shows_lag_absent_models_and_dead_letters(open_gateway: Any, predictor: Any) -> None:
    predictor.predictor.fraud.missing_models = ("network",)
    hooks = {"ops": {"url": "http://127.0.0.1:9/", "secret": "s" * 16}}
    desk = await open_gateway(predictor.url, fraud_webhooks=hooks, fraud_webhook_attempts=1, fraud_lag_limit=1)
    await decide(desk, 90_000, rows=3)
    ledger = desk.services.fraud.ledger
    async with asyncio.timeout(10):
        while (await ledger.run(lambda log: log.deliveries.counts())).get("dead", 0) < 3:
            await asyncio.sleep(0.05)
    parts = {part["name"]: part for part in (await desk.client.get("/status")).json()["parts"]}
    assert parts["fraud-card"]["state"] == "up" and parts["fraud-card"]["model"]["network"] == "xgboost"
    assert parts["fraud-network"]["state"] == "absent" and "detector=network" in parts["fraud-network"]["detail"]
    assert parts["fraud features"]["lag"] == 3 and "3 events behind" in parts["fraud features"]["detail"]
    assert "3 alerts could not be delivered" in parts["fraud alerts"]["detail"]


async def test_a_challenger_scores_beside_and_decides_nothing(open_gateway: Any, predictor: Any) -> None:
    challenger = WireServer(WirePredictor()).start()
    challenger.predictor.fraud.version = "9"
    challenger.predictor.fraud.probability = lambda _record: 0.95
    try:
        desk = await open_gateway(predictor.url, fraud_shadow_url=challenger.url)
        found = (await desk.client.post(ANALYZE, json=CARD)).json()
        challenger.stop()
        alone = (await desk.client.post(ANALYZE, json=CARD)).json()
    finally:
        challenger.stop()
    assert found["decision"] == "accept" and "shadow" not in found
    stored = (await desk.client.get(f"/api/v1/fraud/decisions/{found['id']}")).json()["shadow"]["model"]
    assert (stored["model_version"], stored["decision"], stored["probability"]) == ("9", "decline", 0.95)
    assert alone["decision"] == "accept"
    stored = (await desk.client.get(f"/api/v1/fraud/decisions/{alone['id']}")).json()["shadow"]["model"]
    assert "challenger" in stored["error"]


async def test_rules_on_trial_are_stored_beside_and_decide_nothing(
    open_gateway: Any, predictor: Any, tmp_path: Path
) -> None:
    rules = tmp_path / "trial.yaml"
    rules.write_text(
        "name: trial\ndetector: card\nrules:\n  - id: all\n    action: decline\n    text: All.\n"
        "    when:\n      - {field: amount_minor, at_least: 0}\n"
    )
    desk = await open_gateway(predictor.url, fraud_shadow_rules_path=rules)
    found = (await desk.client.post(ANALYZE, json=CARD)).json()
    assert found["decision"] == "accept" and found["rules"] == []
    stored = (await desk.client.get(f"/api/v1/fraud/decisions/{found['id']}")).json()["shadow"]["rules"]
    assert (stored["fired"], stored["decision"]) == (["all"], "decline")


async def test_rules_in_force_decide_and_are_kept_in_the_log(open_gateway: Any, predictor: Any, tmp_path: Path) -> None:
    rules = tmp_path / "mine.yaml"
    rules.write_text(
        "name: mine\ndetector: card\nrules:\n"
        '  - {id: deny, action: decline, text: Blocked., when: [{field: customer_id, in: ["C1"]}]}\n'
        '  - {id: allow, action: accept, text: Trusted., when: [{field: customer_id, in: ["C2"]}]}\n'
    )
    desk = await open_gateway(predictor.url, fraud_rules_path=rules)
    denied = (await desk.client.post(ANALYZE, json=CARD)).json()
    assert (denied["decision"], [one["text"] for one in denied["rules"]]) == ("decline", ["Blocked."])
    assert denied["rule_set"].startswith("mine@") and denied["alert"]
    allowed = (await desk.client.post(ANALYZE, json={**CARD, "customer_id": "C2", "amount_minor": 90_000})).json()
    assert allowed["decision"] == "accept"
    from components.fraud.rules.reading import digest

    name = digest(rules.read_text())
    assert await desk.services.fraud.ledger.run(lambda log: log.rule_sets.get(name)) == rules.read_text()


async def test_a_connection_is_judged_from_its_raw_fields_and_wrong_ones_are_named(desk: Any) -> None:
    from components.fraud.detectors import DETECTORS

    record = {field.name: {"category": "tcp", "text": "x"}.get(field.kind, 0) for field in DETECTORS["network"].fields}
    answer = await desk.client.post(ANALYZE, json={"kind": "network", "record": record, "explain": "never"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["model"], found["attack_class"], found["rule_set"]) == ("fraud-network", "dos", "")
    record.pop("src_bytes")
    refused = await desk.client.post(ANALYZE, json={"kind": "network", "record": {**record, "src_byte": 1}})
    errors = {error["pointer"]: error["detail"] for error in refused.json()["errors"]}
    assert "did you mean 'src_bytes'" in errors["/record/src_byte"] and "missing" in errors["/record/src_bytes"]
    assert datetime.fromisoformat(found["occurred_at"]) <= datetime.now(UTC)
