"""`POST /api/v1/fraud/analyze`: the decision, what is recorded, and every way in which a request can be wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from brain.api.fraud_models import AnalyzeResponse, DecisionResponse

PATH = "/api/v1/fraud/analyze"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200}


async def analyze(desk: Any, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
    return await desk.client.post(PATH, json={**CARD, **fields}, headers=headers)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["detail"]
    return found


def log_of(desk: Any) -> Any:
    return desk.services.fraud.ledger


async def heads(desk: Any) -> int:
    return int(await log_of(desk).run(lambda log: log.head("fraud-card")))


async def test_a_small_amount_is_accepted_with_everything_the_answer_promises(desk: Any) -> None:
    answer = await analyze(desk)
    assert answer.status_code == 200, answer.text
    found = AnalyzeResponse.model_validate(answer.json())
    assert (found.kind, found.decision, found.model, found.model_version) == ("card", "accept", "fraud-card", "7")
    assert (found.probability, found.thresholds.review, found.thresholds.decline) == (0.042, 0.3, 0.7)
    assert found.reasons == [] and found.alert is None and found.warnings == []
    assert found.sequence == 1 and found.latency_ms > 0
    assert found.rule_set.startswith("cards@")


@pytest.mark.parametrize(("amount", "decision"), [(29_999, "accept"), (30_000, "review"), (70_000, "decline")])
async def test_at_or_above_a_threshold_its_decision_falls(desk: Any, amount: int, decision: str) -> None:
    assert (await analyze(desk, amount_minor=amount)).json()["decision"] == decision


async def test_a_decline_says_why_and_raises_an_alert(desk: Any) -> None:
    found = (await analyze(desk, amount_minor=90_000)).json()
    assert found["reasons"][0]["feature"] == "amount" and found["reasons"][0]["contribution"] == pytest.approx(9.0)
    assert "log odds" in found["reasons_explain"]
    assert found["alert"]["severity"] == "high"
    alert = await log_of(desk).run(lambda log: log.alerts.get(found["alert"]["id"]))
    assert alert.body["decision_id"] == found["id"] and alert.body["amount_minor"] == 90_000


@pytest.mark.parametrize(("explain", "amount", "reasons"), [("always", 100, True), ("never", 90_000, False)])
async def test_reasons_can_be_had_always_or_never(desk: Any, explain: str, amount: int, reasons: bool) -> None:
    found = (await analyze(desk, amount_minor=amount, explain=explain)).json()
    assert bool(found["reasons"]) is reasons


async def test_when_the_reasons_are_late_the_decision_stands_and_a_warning_says_so(
    open_gateway: Any, predictor: Any
) -> None:
    desk = await open_gateway(predictor.url, fraud_explain_seconds=0.1)
    predictor.predictor.fraud.explain_delay_seconds = 1.0
    found = (await analyze(desk, amount_minor=90_000)).json()
    assert found["decision"] == "decline" and found["reasons"] == []
    assert [one["code"] for one in found["warnings"]] == ["no_reasons"]
    assert await heads(desk) == found["sequence"]


async def test_the_next_case_of_a_customer_or_terminal_is_scored_with_the_ones_before(
    desk: Any, wire_fraud: Any
) -> None:
    first = (await analyze(desk, amount_minor=100)).json()
    await analyze(desk, customer_id="C2", amount_minor=200)
    await analyze(desk, customer_id="C3", terminal_id="T3", amount_minor=300)
    await analyze(desk, amount_minor=400)
    (record,) = wire_fraud.records[-1]
    assert [(one["sequence"], one["customer_id"], one["amount_minor"]) for one in record["recent"]] == [
        (first["sequence"], "C1", 100),
        (2, "C2", 200),
    ]
    assert record["recent"][0]["type"] == "transaction"
    assert (record["customer_id"], record["amount_minor"], record["currency"]) == ("C1", 400, "EUR")


async def test_what_the_feature_store_holds_is_not_sent_again(desk: Any, wire_fraud: Any) -> None:
    await analyze(desk)
    await log_of(desk).run(lambda log: log.set_cursor("fraud-features", 1))
    await analyze(desk)
    assert [one["sequence"] for one in wire_fraud.records[-1][0]["recent"]] == []


async def test_a_repeated_key_gives_the_first_answer_and_another_body_is_refused(desk: Any, wire_fraud: Any) -> None:
    key = {"Idempotency-Key": "k-1"}
    first, again = await analyze(desk, key), await analyze(desk, key)
    assert first.json()["id"] == again.json()["id"] and first.json()["sequence"] == again.json()["sequence"]
    assert len(wire_fraud.records) == 1
    assert "k-1" in problem(await analyze(desk, key, amount_minor=1), 409)["detail"]
    assert await heads(desk) == 1


async def test_a_key_that_comes_many_times_at_once_decides_one_case(desk: Any) -> None:
    import asyncio

    key = {"Idempotency-Key": "k-1"}
    same = await asyncio.gather(*(analyze(desk, key) for _ in range(8)))
    assert len({one.json()["id"] for one in same}) == 1 and await heads(desk) == 1
    key = {"Idempotency-Key": "k-2"}
    other = await asyncio.gather(*(analyze(desk, key, amount_minor=amount) for amount in range(8)))
    assert sorted(one.status_code for one in other) == [200] + [409] * 7 and await heads(desk) == 2
    counted = [
        float(line.rpartition(" ")[2])
        for line in (await desk.client.get("/metrics")).text.splitlines()
        if line.startswith("brain_fraud_decisions_total{")
    ]
    assert sum(counted) == 2


async def test_a_repeated_transaction_gives_the_first_answer_and_another_body_is_refused(desk: Any) -> None:
    first, again = await analyze(desk, transaction_id="t-1"), await analyze(desk, transaction_id="t-1")
    assert first.json()["id"] == again.json()["id"]
    assert "'t-1'" in problem(await analyze(desk, transaction_id="t-1", amount_minor=1), 409)["detail"]


async def test_an_event_that_comes_in_between_makes_the_case_be_decided_again_with_it(
    desk: Any, wire_fraud: Any
) -> None:
    import asyncio
    from threading import Event

    arrived, go_on = Event(), Event()

    def hold(records: list[dict[str, Any]]) -> None:
        if records[0]["amount_minor"] == 500 and not arrived.is_set():
            arrived.set()
            go_on.wait(10)

    wire_fraud.before_answer = hold
    slow = asyncio.create_task(analyze(desk, amount_minor=500))
    await asyncio.to_thread(arrived.wait, 10)
    between = (await analyze(desk, amount_minor=600)).json()
    go_on.set()
    found = (await slow).json()
    assert found["sequence"] > between["sequence"]
    decided = (await desk.client.get(f"/api/v1/fraud/decisions/{found['id']}")).json()
    assert decided["features"]["customer_count_10m"] == 1.0 and decided["head"] == between["sequence"]


async def test_a_case_that_is_overtaken_every_time_is_given_up_and_not_recorded(desk: Any, wire_fraud: Any) -> None:
    from runtime.decision_log import NewEvent

    log = await log_of(desk).run(lambda log: log)

    def overtake(records: list[dict[str, Any]]) -> None:
        number = len(wire_fraud.records)
        body = {**CARD, "occurred_at": datetime.now(UTC).isoformat()}
        log.commit([NewEvent("fraud-card", "transaction", f"x{number}", [("customer", "C1")], 1, body, "t", None, "d")])

    wire_fraud.before_answer = overtake
    answer = await analyze(desk, transaction_id="mine")
    assert "3 tries" in problem(answer, 503)["detail"] and answer.headers["retry-after"] == "1"
    assert await log_of(desk).run(lambda log: log.find_event("fraud-card", "mine")) is None


async def test_a_decision_can_be_read_with_everything_it_rests_on(desk: Any) -> None:
    found = (await analyze(desk, amount_minor=90_000, transaction_id="t-9")).json()
    answer = await desk.client.get(f"/api/v1/fraud/decisions/{found['id']}")
    read = DecisionResponse.model_validate(answer.json())
    assert read.features == dict.fromkeys(read.features, 0.0) | {"amount": 900.0}
    assert read.contributions == dict.fromkeys(read.features, 0.0) | {"amount": 9.0}
    assert read.expected == -3.0
    assert read.request["amount_minor"] == 90_000 and read.label is None and read.model_decision == "decline"
    assert problem(await desk.client.get("/api/v1/fraud/decisions/dcsn_none"), 404)["detail"].startswith("there is no")


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"amount_minor": -1}, "/amount_minor", "greater than or equal to 0"),
        ({"amount_minor": 12.5}, "/amount_minor", "12.5"),
        ({"amount_minor": "12"}, "/amount_minor", "integer"),
        ({"amount": 12}, "/amount", "no such field"),
        ({"customer_id": None}, "/customer_id", "string"),
        ({"currency": "euro"}, "/currency", "euro"),
        ({"occurred_at": "yesterday"}, "/occurred_at", "yesterday"),
        ({"occurred_at": 1_700_000_000}, "/occurred_at", "RFC 3339"),
        ({"occurred_at": "2026-01-01T00:00:00"}, "/occurred_at", "timezone"),
        ({"kind": "cheque"}, "/kind", "card, network, crypto"),
        ({"explain": "maybe"}, "/explain", "auto"),
        ({"transaction_id": "label:1"}, "/transaction_id", "label:"),
    ],
)
async def test_a_wrong_field_is_named_with_what_it_should_be(
    desk: Any, fields: dict[str, object], pointer: str, words: str
) -> None:
    (error,) = problem(await analyze(desk, **fields), 422)["errors"]
    assert error["pointer"] == pointer and words in error["detail"]
    assert await heads(desk) == 0


async def test_missing_fields_are_named(desk: Any) -> None:
    answer = await desk.client.post(PATH, json={"amount_minor": 1})
    assert {error["pointer"] for error in problem(answer, 422)["errors"]} == {"/customer_id", "/terminal_id"}


@pytest.mark.parametrize(
    ("offset", "words"), [(timedelta(minutes=6), "ahead of the clock"), (timedelta(days=-31), "older than 30 days")]
)
async def test_a_date_that_no_window_reaches_is_refused(desk: Any, offset: timedelta, words: str) -> None:
    answer = await analyze(desk, occurred_at=(datetime.now(UTC) + offset).isoformat())
    assert words in problem(answer, 422)["detail"]


@pytest.mark.parametrize("kind", ["card", "network", "crypto"])
async def test_a_model_that_is_not_trained_yet_is_named_with_the_command_that_trains_it(
    desk: Any, wire_fraud: Any, kind: str
) -> None:
    from components.fraud.detectors import DETECTORS

    wire_fraud.missing_models = (kind,)
    record = {field.name: {"category": "tcp", "text": "x"}.get(field.kind, 0) for field in DETECTORS[kind].fields}
    answer = await desk.client.post(PATH, json=CARD if kind == "card" else {"kind": kind, "record": record})
    found = problem(answer, 503)["detail"]
    assert f"no version of fraud-{kind}" in found and found.count("pipelines run fraud-detection") == 1
    assert await log_of(desk).run(lambda log: log.head(f"fraud-{kind}")) == 0


async def test_while_the_predictor_is_away_nothing_is_recorded(desk: Any, predictor: Any) -> None:
    predictor.stop()
    assert "fraud predictor" in problem(await analyze(desk), 503)["detail"]
    assert await heads(desk) == 0


async def test_without_the_scope_nothing_is_decided(open_gateway: Any, predictor: Any) -> None:
    desk = await open_gateway(predictor.url, auth="required")
    assert (await analyze(desk)).status_code == 401
    key = desk.create_key("status")
    assert problem(await analyze(desk, {"X-API-Key": key}), 403)["scope"] == "predict"
    key = desk.create_key("predict")
    assert (await analyze(desk, {"X-API-Key": key})).status_code == 200


async def test_decisions_are_counted_in_the_metrics(desk: Any) -> None:
    for amount in (100, 100, 90_000):
        await analyze(desk, amount_minor=amount)
    metrics = (await desk.client.get("/metrics")).text
    assert 'brain_fraud_decisions_total{decision="accept",kind="card"} 2.0' in metrics
    assert 'brain_fraud_decisions_total{decision="decline",kind="card"} 1.0' in metrics
