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
    assert refused.status_code == 409 and refused.json()["sequence"] == first["sequence"]
    told = f"was labelled fraud, known at {first['known_at']}, as sequence {first['sequence']}"
    assert told in refused.json()["detail"]
    earlier = await label(desk, known_at=decided["occurred_at"])
    assert earlier.status_code == 409 and told in earlier.json()["detail"], "the same truth, known at another moment"


async def test_an_unknown_transaction_is_answered_with_the_nearest(desk: Any, decided: Any) -> None:
    refused = await label(desk, transaction_id="t-10")
    assert refused.status_code == 404 and refused.json()["nearest"] == ["t-100"]
    assert "did you mean 't-100'?" in refused.json()["detail"]


async def test_where_nothing_is_near_the_caller_learns_where_ids_come_from(desk: Any) -> None:
    refused = await label(desk)
    assert refused.status_code == 404 and refused.json()["nearest"] == []
    assert "'kind' that /api/v1/fraud/analyze answered with" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("offset", "words"),
    [(timedelta(hours=-1), "before the transaction itself"), (timedelta(minutes=6), "5 minutes ahead of the clock")],
)
async def test_a_label_is_known_neither_before_its_case_nor_in_the_future(
    desk: Any, decided: Any, offset: timedelta, words: str
) -> None:
    refused = await label(desk, known_at=(datetime.now(UTC) + offset).isoformat())
    (error,) = refused.json()["errors"]
    assert refused.status_code == 422 and error["pointer"] == "/known_at"
    assert words in error["detail"] and "leave it out for now" in error["detail"]
    assert (await label(desk, known_at=(datetime.now(UTC) + timedelta(minutes=4)).isoformat())).status_code == 200


@pytest.mark.parametrize(
    ("known_at", "words"),
    [
        ("2026-01-01T00:00:00", "timezone"),
        ("1790000000", "RFC 3339"),
        (1_790_000_000, "RFC 3339"),
        ("0001-01-01T00:00:00+14:00", "years 1 to 9999"),
        ("9999-12-31T23:59:59-12:00", "years 1 to 9999"),
    ],
)
async def test_a_label_needs_a_moment_that_can_be_told(desk: Any, decided: Any, known_at: object, words: str) -> None:
    refused = await label(desk, known_at=known_at)
    assert refused.status_code == 422 and words in refused.json()["errors"][0]["detail"]


async def test_a_case_whose_clock_runs_ahead_can_be_labelled_at_once(desk: Any) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    await desk.client.post("/api/v1/fraud/analyze", json={**CARD, "occurred_at": ahead})
    answer = await label(desk)
    assert answer.status_code == 200 and answer.json()["known_at"] == ahead


@pytest.mark.parametrize("kind", ["network", "crypto"])
async def test_connections_and_accounts_are_labelled_under_their_kind(desk: Any, kind: str) -> None:
    from components.fraud.detectors import DETECTORS

    record = {field.name: {"category": "tcp", "text": "x"}.get(field.kind, 0) for field in DETECTORS[kind].fields}
    case = {"kind": kind, "record": record, "transaction_id": "t-100"}
    decided = (await desk.client.post("/api/v1/fraud/analyze", json=case)).json()
    unnamed = await label(desk)
    assert unnamed.status_code == 404 and f"there is one of kind '{kind}'" in unnamed.json()["detail"]
    first, again = (await label(desk, kind=kind)).json(), (await label(desk, kind=kind)).json()
    assert first == again and (first["decision_id"], first["fraud"]) == (decided["id"], True)
    read = (await desk.client.get(f"/api/v1/fraud/decisions/{decided['id']}")).json()
    assert read["label"]["fraud"] is True


async def test_a_key_of_another_request_is_refused_whether_or_not_the_label_stands(desk: Any, decided: Any) -> None:
    key = {"Idempotency-Key": "k-1"}
    await desk.client.post("/api/v1/fraud/analyze", json={**CARD, "transaction_id": "t-101"})
    body = {"transaction_id": "t-100", "fraud": True}
    first = await desk.client.post(PATH, json=body, headers=key)
    assert first.status_code == 200 and (await desk.client.post(PATH, json=body, headers=key)).json() == first.json()
    for _ in range(2):
        refused = await desk.client.post(PATH, json={**body, "transaction_id": "t-101"}, headers=key)
        assert refused.status_code == 409
        assert "Idempotency-Key 'k-1' was used for another request, as sequence" in refused.json()["detail"]
        await label(desk, transaction_id="t-101")  # now it stands, and the key still speaks of the other one


async def test_a_decision_shows_its_label_once_it_is_known(desk: Any, decided: Any) -> None:
    await label(desk)
    found = (await desk.client.get(f"/api/v1/fraud/decisions/{decided['id']}")).json()
    assert found["label"]["fraud"] is True and found["label"]["sequence"] == 2


@pytest.mark.parametrize("body", [{"fraud": True}, {"transaction_id": "t"}, {"transaction_id": "t", "fraud": "yes"}])
async def test_a_label_needs_a_transaction_and_a_truth(desk: Any, body: dict[str, object]) -> None:
    assert (await desk.client.post(PATH, json=body)).status_code == 422
