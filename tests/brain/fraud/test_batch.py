"""`POST /api/v1/fraud/analyze/batch`: order, rows that see one another, rows that fail alone, sizes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

PATH = "/api/v1/fraud/analyze/batch"
NOW = datetime.now(UTC) - timedelta(hours=1)


def row(number: int, **fields: object) -> dict[str, object]:
    at = (NOW + timedelta(seconds=number)).isoformat()
    return {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 100 + number, "occurred_at": at, **fields}


async def send(desk: Any, rows: list[dict[str, object]], **more: object) -> Any:
    return await desk.client.post(PATH, json={"rows": rows, **more}, timeout=60)


async def test_rows_are_decided_in_event_time_order_and_answered_in_their_own(desk: Any, wire_fraud: Any) -> None:
    answer = await send(desk, [row(2), row(0), row(1)])
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [one["result"]["sequence"] for one in found["rows"]] == [3, 1, 2]
    assert found["counts"] == {"accept": 3}
    (records,) = wire_fraud.records
    assert [record["amount_minor"] for record in records] == [100, 101, 102]


async def test_a_row_sees_the_rows_before_it_of_its_customer_and_terminal_without_a_sequence(
    desk: Any, wire_fraud: Any
) -> None:
    rows = [row(0), row(1, customer_id="C2"), row(2, customer_id="C3", terminal_id="T3"), row(3)]
    await send(desk, rows)
    seen = [[(one["sequence"], one["amount_minor"]) for one in record["recent"]] for record in wire_fraud.records[0]]
    assert seen == [[], [(None, 100)], [], [(None, 100), (None, 101)]]


async def test_rows_of_an_earlier_chunk_come_from_the_log(open_gateway: Any, predictor: Any) -> None:
    desk = await open_gateway(predictor.url, fraud_batch_chunk_rows=2)
    await send(desk, [row(number) for number in range(5)])
    records = [record for chunk in predictor.predictor.fraud.records for record in chunk]
    assert [len(record["recent"]) for record in records] == [0, 1, 2, 3, 4]
    assert [one["sequence"] for one in records[4]["recent"]] == [1, 2, 3, 4]


async def test_a_row_that_is_wrong_fails_alone_with_its_pointer(desk: Any) -> None:
    found = (await send(desk, [row(0), {"customer_id": "C1"}, row(1, amount_minor=-1), "x"])).json()
    assert [one["status"] for one in found["rows"]] == [200, 422, 422, 422]
    assert found["rows"][2]["problem"]["errors"][0]["pointer"] == "/amount_minor"
    assert found["counts"] == {"accept": 1, "failed": 3}


async def test_the_same_batch_again_gets_the_first_answers(desk: Any, wire_fraud: Any) -> None:
    rows = [row(0, transaction_id="a"), row(1, idempotency_key="k"), row(2, transaction_id="c")]
    first, again = (await send(desk, rows)).json(), (await send(desk, rows)).json()
    ids = [[one["result"]["id"] for one in answer["rows"]] for answer in (first, again)]
    assert ids[0] == ids[1] and len(wire_fraud.records) == 1


async def test_a_row_that_stands_twice_is_answered_once_and_a_contradiction_is_refused(desk: Any) -> None:
    twin = row(0, transaction_id="a")
    found = (await send(desk, [twin, dict(twin), {**twin, "amount_minor": 5}])).json()["rows"]
    assert found[0]["result"]["id"] == found[1]["result"]["id"] and found[2]["status"] == 409


async def test_a_key_gives_the_first_answer_alone_and_in_a_batch_and_refuses_another_body(desk: Any) -> None:
    alone = await desk.client.post("/api/v1/fraud/analyze", json=row(0), headers={"Idempotency-Key": "a key"})
    rows = [row(0, idempotency_key="a key"), row(1, idempotency_key="a key"), row(2, idempotency_key="other")]
    found = (await send(desk, rows)).json()["rows"]
    assert [one["status"] for one in found] == [200, 409, 200]
    assert found[0]["result"]["id"] == alone.json()["id"]
    assert "'a key'" in (await send(desk, [row(3, idempotency_key="a key")])).json()["rows"][0]["problem"]["detail"]
    headers = {"Idempotency-Key": "other"}
    again = await desk.client.post("/api/v1/fraud/analyze", json=row(2), headers=headers)
    assert again.json()["id"] == found[2]["result"]["id"]
    assert (await desk.client.post("/api/v1/fraud/analyze", json=row(4), headers=headers)).status_code == 409


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb", 7])
async def test_a_key_that_cannot_be_kept_is_refused_alone_and_in_a_batch(desk: Any, key: object) -> None:
    (found,) = (await send(desk, [row(0, idempotency_key=key)])).json()["rows"]
    assert found["status"] == 422 and "1 to 255 printable ASCII" in found["problem"]["detail"]
    if isinstance(key, str):
        headers = {"Idempotency-Key": key.encode("latin-1")}
        alone = await desk.client.post("/api/v1/fraud/analyze", json=row(0), headers=headers)
        assert alone.status_code == 422 and "1 to 255 printable ASCII" in alone.json()["detail"]
    assert await desk.services.fraud.ledger.run(lambda log: log.head("fraud-card")) == 0


async def test_one_key_for_a_whole_batch_is_refused_rather_than_ignored(desk: Any) -> None:
    answer = await desk.client.post(PATH, json={"rows": [row(0)]}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422 and "each row its own 'idempotency_key'" in answer.json()["detail"]
    assert await desk.services.fraud.ledger.run(lambda log: log.head("fraud-card")) == 0


async def test_each_row_of_a_model_that_is_not_trained_names_the_command_that_trains_it(
    desk: Any, wire_fraud: Any
) -> None:
    from components.fraud.detectors import DETECTORS

    wire_fraud.missing_models = ("crypto",)
    record = {field.name: {"category": "tcp", "text": "x"}.get(field.kind, 0) for field in DETECTORS["crypto"].fields}
    found = (await send(desk, [row(0), {"kind": "crypto", "record": record}])).json()["rows"]
    assert [one["status"] for one in found] == [200, 503]
    assert found[1]["problem"]["detail"].count("pipelines run fraud-detection") == 1
    assert "--param detector=crypto" in found[1]["problem"]["detail"]


async def test_declines_of_a_batch_raise_alerts_and_reasons_come_on_demand(desk: Any) -> None:
    silent = (await send(desk, [row(0, amount_minor=90_000)])).json()["rows"][0]["result"]
    assert silent["alert"] and silent["reasons"] == []
    rows = [row(1), row(2, customer_id="C9", terminal_id="T9", amount_minor=90_000)]
    told = (await send(desk, rows, explain="auto")).json()["rows"]
    assert told[0]["result"]["reasons"] == [] and told[1]["result"]["reasons"][0]["feature"] == "amount"


async def test_detectors_may_be_mixed(desk: Any) -> None:
    network = {"kind": "network", "record": {}}
    found = (await send(desk, [row(0), network])).json()["rows"]
    assert [one["status"] for one in found] == [200, 422]
    assert found[1]["problem"]["errors"][0]["pointer"].startswith("/record/")


async def test_while_the_predictor_is_away_every_row_says_so_and_nothing_is_recorded(desk: Any, predictor: Any) -> None:
    predictor.stop()
    found = (await send(desk, [row(0), row(1)])).json()["rows"]
    assert [one["status"] for one in found] == [503, 503]
    assert await desk.services.fraud.ledger.run(lambda log: log.head("fraud-card")) == 0


@pytest.mark.parametrize("body", [{"rows": []}, {"rows": {}}, {}, {"rows": [{}], "more": 1}, [1]])
async def test_what_is_no_batch_is_refused(desk: Any, body: object) -> None:
    assert (await desk.client.post(PATH, json=body)).status_code == 422


async def test_more_than_ten_thousand_rows_are_refused(desk: Any) -> None:
    refused = await send(desk, [row(0)] * 10_001)
    assert refused.status_code == 422 and "10000 rows, received 10001" in refused.json()["detail"]


@pytest.mark.slow
async def test_ten_thousand_rows_are_taken(desk: Any) -> None:
    rows = [row(number % 3000, customer_id=f"C{number}", terminal_id=f"T{number}") for number in range(10_000)]
    answer = await send(desk, rows)
    assert answer.json()["counts"] == {"accept": 10_000}


async def test_only_a_batch_may_be_large(open_gateway: Any, predictor: Any) -> None:
    desk = await open_gateway(predictor.url, body_limit_bytes=2048, fraud_batch_body_limit_bytes=200_000)
    large = json.dumps({"rows": [row(number, customer_id=f"C{number}") for number in range(100)]})
    headers = {"Content-Type": "application/json"}
    assert (await desk.client.post(PATH, content=large, headers=headers)).status_code == 200
    assert (await desk.client.post("/api/v1/fraud/analyze", content=large, headers=headers)).status_code == 413
    assert (await desk.client.post(PATH, content=large + " " * 200_000, headers=headers)).status_code == 413
