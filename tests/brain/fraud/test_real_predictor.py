"""Gateway, real predictor, real log: what a decision rests on is what the fold of its events gives."""

import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ANALYZE = "/api/v1/fraud/analyze"


@pytest.fixture(scope="module")
def real(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], wait_until: Callable[..., None]
) -> Iterator[Any]:
    """A predictor process with a small model for cards that was really trained."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "serving"))
    from fraud_kit import train
    from predictor_process import RunningFraud

    running = RunningFraud(tmp_path_factory.mktemp("real"), free_port(), free_port())
    running.adopt(train(tmp_path_factory.mktemp("candidate"), "card"), "card")
    running.start()
    try:
        wait_until(lambda: running.status("/v2/models/fraud-card") == 200, 120, "the predictor's model")
        yield running
    finally:
        running.stop(signal.SIGKILL)


async def test_features_follow_the_events_of_the_log_and_reasons_add_up(
    open_gateway: Callable[..., Any], real: Any
) -> None:
    import numpy as np

    from components.fraud.cards.events import event_from_row
    from components.fraud.cards.state import EntityState, apply, card_features
    from feature_repo.fraud import CARD_FEATURE_NAMES

    desk = await open_gateway(real.url, fraud_explain_seconds=10.0)
    begun = datetime.now(UTC) - timedelta(minutes=30)
    customer, terminal = EntityState.empty(), EntityState.empty()
    for number in range(6):
        at = (begun + timedelta(minutes=4 * number)).isoformat()
        body = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 1000 + 700 * number, "occurred_at": at}
        answer = await desk.client.post(ANALYZE, json={**body, "explain": "always"})
        assert answer.status_code == 200, answer.text
        found = (await desk.client.get(f"/api/v1/fraud/decisions/{answer.json()['id']}")).json()
        event = event_from_row({**body, "type": "transaction", "sequence": found["sequence"], "currency": "EUR"})
        expected = dict(zip(CARD_FEATURE_NAMES, card_features(event, customer, terminal), strict=True))
        assert {name: np.float32(value) for name, value in found["features"].items()} == expected
        assert sorted(found["contributions"]) == sorted(CARD_FEATURE_NAMES) and found["warnings"] == []
        log_odds = found["expected"] + sum(found["contributions"].values())
        assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(found["score"], abs=1e-4)
        apply(event, customer, terminal)


async def test_a_batch_of_one_customer_sees_its_own_rows(open_gateway: Callable[..., Any], real: Any) -> None:
    desk = await open_gateway(real.url)
    begun = datetime.now(UTC) - timedelta(minutes=9)
    rows = [
        {
            "customer_id": "C7",
            "terminal_id": f"T{number}",
            "amount_minor": 100,
            "occurred_at": (begun + timedelta(seconds=number)).isoformat(),
        }
        for number in range(20)
    ]
    answer = await desk.client.post(f"{ANALYZE}/batch", json={"rows": rows})
    ids = [row["result"]["id"] for row in answer.json()["rows"]]
    for number in (0, 7, 19):
        found = (await desk.client.get(f"/api/v1/fraud/decisions/{ids[number]}")).json()
        assert found["features"]["customer_count_10m"] == number


async def test_a_detector_that_is_not_trained_names_the_command_wherever_it_is_asked_for(
    open_gateway: Callable[..., Any], real: Any
) -> None:
    from components.fraud.detectors import DETECTORS

    desk = await open_gateway(real.url)
    detector = DETECTORS["crypto"]
    record = {field.name: {"category": "tcp", "text": "x"}.get(field.kind, 0) for field in detector.fields}
    case = {"kind": "crypto", "record": record}
    alone = (await desk.client.post(ANALYZE, json=case)).json()
    batch = (await desk.client.post(f"{ANALYZE}/batch", json={"rows": [case]})).json()["rows"][0]["problem"]
    assert (alone["status"], batch["status"]) == (503, 503)
    absent = {one["kind"]: one["detail"] for one in (await desk.client.get("/api/v1/fraud/drift")).json()["absent"]}
    parts = {part["name"]: part for part in (await desk.client.get("/status")).json()["parts"]}
    told = (alone["detail"], batch["detail"], absent["crypto"], parts["fraud-crypto"]["detail"])
    assert [one.count(detector.train_command) for one in told] == [1, 1, 1, 1]


async def test_drift_reads_the_versions_own_reference(open_gateway: Callable[..., Any], real: Any) -> None:
    import asyncio

    desk = await open_gateway(real.url, fraud_drift_least=20, fraud_drift_seconds=0.01)
    rows = [{"customer_id": f"C{n}", "terminal_id": f"T{n}", "amount_minor": 5000} for n in range(30)]
    await desk.client.post(f"{ANALYZE}/batch", json={"rows": rows})
    await asyncio.sleep(0.05)
    (model,) = (await desk.client.get("/api/v1/fraud/drift")).json()["models"]
    assert model["state"] in ("stable", "drifted") and model["score"] is not None
    assert {one["feature"] for one in model["inputs"]} >= {"amount", "customer_count_10m"}


async def test_a_score_is_computed_again_from_the_log_alone(open_gateway: Callable[..., Any], real: Any) -> None:
    import httpx
    import numpy as np

    from components.fraud.cards.events import Transaction, event_from_row
    from components.fraud.cards.state import EntityState, apply, card_features
    from feature_repo.fraud import CARD_FEATURE_NAMES

    desk = await open_gateway(real.url)
    for number in range(8):
        card = {"customer_id": f"C{number % 2}", "terminal_id": f"T{number % 3}", "amount_minor": 900 * number}
        answer = await desk.client.post(ANALYZE, json={**card, "transaction_id": f"t-{number}"})
        assert answer.status_code == 200, answer.text
        if number == 3:
            await desk.client.post("/api/v1/fraud/feedback", json={"transaction_id": "t-1", "fraud": True})
    ledger = desk.services.fraud.ledger
    kept = await ledger.run(
        lambda log: [log.find_event("fraud-card", one.event_id) for one in log.read("fraud-card", 0, 99)]
    )
    states: dict[tuple[str, str], EntityState] = {}
    for logged in kept:
        event = event_from_row({**logged.body, "type": logged.kind, "sequence": logged.sequence})
        sides = [states.setdefault(key, EntityState.empty()) for key in logged.keys]
        if isinstance(event, Transaction):
            again = card_features(event, *sides)
            made = logged.decision
            assert {name: np.float32(value) for name, value in made["features"].items()} == dict(
                zip(CARD_FEATURE_NAMES, again, strict=True)
            )
            tensor = {"name": "features", "datatype": "FP32", "shape": [1, len(again)], "data": again.tolist()}
            scored = httpx.post(
                f"{real.url}/v2/models/{made['model']}/infer", json={"inputs": [tensor]}, trust_env=False
            ).json()
            outputs = {one["name"]: one["data"] for one in scored["outputs"]}
            assert scored["model_version"] == made["model_version"]
            assert (outputs["probability"], outputs["score"]) == ([made["probability"]], [made["score"]])
            assert outputs["thresholds"] == [made["thresholds"]["review"], made["thresholds"]["decline"]]
        apply(event, *sides)
    assert [one.kind for one in kept].count("label") == 1 and len(kept) == 9
