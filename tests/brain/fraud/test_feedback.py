"""`POST /api/v1/fraud/feedback`: labels enter the log once, with the keys of their case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

PATH = "/api/v1/fraud/feedback"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200, "transaction_id": "t-100"}


@pytest.fixture
async def decided(desk: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.client.post("/api/v1/fraud/analyze", json=CARD)).json()
    return found


async def label(desk: Any, **fields: object) -> Any:
    return await desk.client.post(PATH, json={"transaction_id": "t-100", "fraud": True, **fields})


async def test_a_label_stands_in_the_log_with_the_fields_and_keys_of_its_case(desk: Any, decided: Any) -> None:
    found = (await label(desk)).json()
    assert (found["decision_id"], found["decision"], found["sequence"]) == (decided["id"], "accept", 2)
    event = await desk.services.fraud.ledger.run(lambda log: log.find_event("fraud-card", "label:t-100"))
    assert event.kind == "label" and event.subject_id == "t-100"
    assert event.keys == (("customer", "C1"), ("terminal", "T1"))
    assert event.body["amount_minor"] == 4200 and event.body["fraud"] is True
    assert event.body["occurred_at"] == decided["occurred_at"]


async def test_the_next_case_of_its_customer_travels_with_the_label(desk: Any, decided: Any, wire_fraud: Any) -> None:
    await label(desk)
    await desk.client.post("/api/v1/fraud/analyze", json={**CARD, "transaction_id": "t-101"})
    (record,) = wire_fraud.records[-1]
    assert [(one["type"], one.get("fraud")) for one in record["recent"]] == [("transaction", None), ("label", True)]


async def test_the_same_label_again_changes_nothing_and_another_is_refused(desk: Any, decided: Any) -> None:
    first, again = (await label(desk)).json(), (await label(desk)).json()
    assert first == again
    refused = await label(desk, fraud=False)
    assert refused.status_code == 409 and "was labelled fraud" in refused.json()["detail"]


async def test_an_unknown_transaction_is_answered_with_the_nearest(desk: Any, decided: Any) -> None:
    refused = await label(desk, transaction_id="t-10")
    assert refused.status_code == 404 and refused.json()["nearest"] == ["t-100"]
    assert "did you mean 't-100'?" in refused.json()["detail"]


@pytest.mark.parametrize("offset", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_label_is_known_neither_before_its_case_nor_in_the_future(
    desk: Any, decided: Any, offset: timedelta
) -> None:
    refused = await label(desk, known_at=(datetime.now(UTC) + offset).isoformat())
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/known_at"


async def test_a_decision_shows_its_label_once_it_is_known(desk: Any, decided: Any) -> None:
    await label(desk)
    found = (await desk.client.get(f"/api/v1/fraud/decisions/{decided['id']}")).json()
    assert found["label"]["fraud"] is True and found["label"]["sequence"] == 2


@pytest.mark.parametrize("body", [{"fraud": True}, {"transaction_id": "t"}, {"transaction_id": "t", "fraud": "yes"}])
async def test_a_label_needs_a_transaction_and_a_truth(desk: Any, body: dict[str, object]) -> None:
    assert (await desk.client.post(PATH, json=body)).status_code == 422
