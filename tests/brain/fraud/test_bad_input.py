"""Input that is wrong in unusual ways: a problem that says what to do, the same alone and in a batch, and no event."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

ANALYZE, BATCH = "/api/v1/fraud/analyze", "/api/v1/fraud/analyze/batch"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200}
JSON = {"Content-Type": "application/json"}
STREAMS = ("fraud-card", "fraud-network", "fraud-crypto")


def record(kind: str, **fields: object) -> dict[str, object]:
    from components.fraud.detectors import DETECTORS

    usual = {"category": "tcp", "text": "x"}
    return {field.name: usual.get(field.kind, 0) for field in DETECTORS[kind].fields} | fields


async def events(desk: Any) -> int:
    return int(await desk.services.fraud.ledger.run(lambda log: sum(log.head(stream) for stream in STREAMS)))


async def refused_alone_and_in_a_batch(desk: Any, case: object) -> list[dict[str, Any]]:
    """The field errors of a case, which are the same however it is sent; lone surrogates travel as JSON escapes."""
    alone = await desk.client.post(ANALYZE, content=json.dumps(case), headers=JSON)
    assert alone.status_code == 422, alone.text
    assert alone.headers["content-type"] == "application/problem+json"
    answer = await desk.client.post(BATCH, content=json.dumps({"rows": [case, CARD]}), headers=JSON)
    wrong, right = answer.json()["rows"]
    assert (wrong["status"], right["status"]) == (422, 200)
    assert wrong["problem"]["errors"] == alone.json()["errors"]
    assert await events(desk) == 1, "the row that was right, and nothing of the one that was wrong"
    return list(alone.json()["errors"])


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"amount_minor": True}, "/amount_minor", "received true"),
        ({"amount_minor": 12.0}, "/amount_minor", "received 12.0"),
        ({"amount_minor": 10**12 + 1}, "/amount_minor", "less than or equal to 1000000000000"),
        ({"occurred_at": "1790000000"}, "/occurred_at", "RFC 3339"),
        ({"occurred_at": "2026-01-01"}, "/occurred_at", "RFC 3339"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "/occurred_at", "years 1 to 9999"),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "/occurred_at", "years 1 to 9999"),
        ({"kind": "Card"}, "/kind", 'card, network, crypto; received "Card"'),
        ({"kind": None}, "/kind", "received null"),
        ({"customer_id": "C\ud800"}, "/customer_id", "unicode"),
        ({"customer_id": "C1\n"}, "/customer_id", "^[!-~]+$"),
        ({"terminal_id": "T\x00"}, "/terminal_id", "^[!-~]+$"),
        ({"terminal_id": "T" * 65}, "/terminal_id", "at most 64"),
        ({"transaction_id": "t" * 100_000}, "/transaction_id", "at most 128"),
        ({"\ud800": 1}, "", "unicode"),
        (
            {f"more{number}": 1 for number in range(40)},
            "",
            "at most 32 fields with names of at most 80 characters, received 43",
        ),
        ({"x" * 100_000: 1}, "", "received 4 and 100000"),
    ],
)
async def test_a_wrong_card_is_refused_with_what_it_should_be(
    desk: Any, fields: dict[str, object], pointer: str, words: str
) -> None:
    (error,) = await refused_alone_and_in_a_batch(desk, {**CARD, **fields})
    assert error["pointer"] == pointer and words in error["detail"]
    assert len(error["detail"]) < 400, "what was received is cut, however long it is"


@pytest.mark.parametrize(
    ("kind", "fields", "pointer", "words"),
    [
        ("network", {"duration": "1"}, "/record/duration", "must be a number, received '1'"),
        ("network", {"duration": [1]}, "/record/duration", "must be a number, received [1]"),
        ("network", {"duration": True}, "/record/duration", "must be a number, received True"),
        ("network", {"duration": -1}, "/record/duration", "must not be negative"),
        ("network", {"duration": 10**40}, "/record/duration", "at most"),
        ("network", {"protocol_type": 6}, "/record/protocol_type", "must be a text"),
        ("network", {"protocol_type": " "}, "/record/protocol_type", "not empty"),
        ("network", {"protocol_type": "tcp\ud800"}, "/record/protocol_type", "surrogate"),
        ("network", {"x\ud800": 1}, "/record/x\\ud800", "surrogate"),
        ("network", {"protocol": 1}, "/record/protocol", "did you mean 'protocol_type'"),
        ("crypto", {"sent_tnxs": 1}, "/record/sent_tnxs", "did you mean 'sent_tnx'"),
        (
            "crypto",
            {f"f{number}": 1 for number in range(5000)},
            "/record",
            "5000 fields that are none of this detector",
        ),
    ],
)
async def test_a_wrong_record_is_refused_with_what_it_should_be(
    desk: Any, kind: str, fields: dict[str, object], pointer: str, words: str
) -> None:
    found = await refused_alone_and_in_a_batch(desk, {"kind": kind, "record": record(kind, **fields)})
    (error,) = [one for one in found if one["pointer"] == pointer]
    assert words in error["detail"] and len(json.dumps(found)) < 3000


@pytest.mark.parametrize("kind", ["network", "crypto"])
async def test_every_missing_raw_field_is_named(desk: Any, kind: str) -> None:
    from components.fraud.detectors import DETECTORS

    found = await refused_alone_and_in_a_batch(desk, {"kind": kind, "record": {}})
    wanted = {f"/record/{one.name}" for one in DETECTORS[kind].fields if one.required and one.kind != "unused"}
    assert {error["pointer"] for error in found} == wanted
    assert all("is missing; give " in error["detail"] for error in found)


async def test_a_raw_field_with_characters_of_any_kind_can_be_read_again(desk: Any) -> None:
    sent = {"kind": "network", "record": record("network", protocol_type="tcp\x00\u0007 ✓ 😀"), "explain": "always"}
    found = (await desk.client.post(ANALYZE, json=sent)).json()
    read = await desk.client.get(f"/api/v1/fraud/decisions/{found['id']}")
    assert read.status_code == 200 and read.json()["request"]["record"]["protocol_type"] == "tcp\x00\u0007 ✓ 😀"


def with_amount(text: str) -> str:
    return json.dumps({**CARD, "amount_minor": 0}).replace(": 0", f": {text}")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("", 400, "the body is empty"),
        ("{", 400, "not JSON"),
        (with_amount("NaN"), 422, "amount_minor: numbers must be finite"),
        (with_amount("-Infinity"), 422, "amount_minor: numbers must be finite"),
        (with_amount("1e999"), 422, "amount_minor: numbers must be finite"),
        (with_amount("9" * 5000), 400, "digits"),
        (with_amount("1").replace("{", '{"amount_minor": 1, '), 400, "stands twice"),
        ("[" * 5000 + "]" * 5000, 400, "nested too deeply"),
        ('{"a":' * 600 + "1" + "}" * 600, 400, "nested too deeply"),
    ],
)
async def test_a_body_that_is_no_json_is_refused_alone_and_with_its_whole_batch(
    desk: Any, body: str, status: int, words: str
) -> None:
    for path, sent in ((ANALYZE, body), (BATCH, body and f'{{"rows": [{json.dumps(CARD)}, {body}]}}')):
        answer: httpx.Response = await desk.client.post(path, content=sent, headers=JSON)
        assert answer.status_code == status and words in answer.json()["detail"], path
        assert answer.headers["content-type"] == "application/problem+json"
    assert await events(desk) == 0


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "1"])
async def test_a_body_that_is_no_object_is_refused(desk: Any, body: str) -> None:
    for path in (ANALYZE, BATCH, "/api/v1/fraud/feedback"):
        answer = await desk.client.post(path, content=body, headers=JSON)
        assert answer.status_code == 422 and answer.json()["detail"], path


async def test_a_time_is_answered_in_utc_whatever_its_zone(desk: Any) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    east = now.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    found = (await desk.client.post(ANALYZE, json={**CARD, "occurred_at": east})).json()
    assert found["occurred_at"] == now.isoformat()
