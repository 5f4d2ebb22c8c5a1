"""Alerts: raised with their decision, delivered signed at least once, streamed, listed and acknowledged."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.receiver import SECRET, Receiver

CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 90_000}
ANALYZE, ALERTS = "/api/v1/fraud/analyze", "/api/v1/fraud/alerts"


def hooks(url: str) -> dict[str, Any]:
    return {"ops": {"url": url, "secret": SECRET}}


@pytest.fixture
async def told(open_gateway: Callable[..., Any], predictor: Any, receiver: Any) -> AsyncIterator[Any]:
    """A gateway that tells the receiver and loses no time between attempts."""
    yield await open_gateway(
        predictor.url,
        fraud_webhooks=hooks(receiver.url),
        fraud_webhook_first_pause_seconds=0.05,
        fraud_webhook_attempts=3,
    )


async def until(true: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_decline_reaches_the_receiver_signed_and_with_what_it_is_about(told: Any, receiver: Any) -> None:
    found = (await told.client.post(ANALYZE, json=CARD)).json()
    await until(lambda: receiver.got)
    (alert,) = receiver.got
    assert alert["id"] == found["alert"]["id"] == receiver.headers[0]["x-alert-id"]
    assert (alert["decision_id"], alert["amount_minor"], alert["severity"]) == (found["id"], 90_000, "high")
    assert alert["reasons"][0]["feature"] == "amount"


async def test_a_review_raises_an_alert_unless_only_declines_shall_and_an_accepted_case_never_does(
    open_gateway: Any, predictor: Any
) -> None:
    quiet = await open_gateway(predictor.url, fraud_alert_on="decline")
    assert (await quiet.client.post(ANALYZE, json={**CARD, "amount_minor": 100})).json()["alert"] is None
    assert (await quiet.client.post(ANALYZE, json={**CARD, "amount_minor": 40_000})).json()["alert"] is None
    loud = await open_gateway(predictor.url)
    found = (await loud.client.post(ANALYZE, json={**CARD, "amount_minor": 40_000})).json()
    assert found["alert"]["severity"] == "medium"


async def test_a_receiver_that_fails_is_tried_again_until_it_takes_it(told: Any, receiver: Any) -> None:
    receiver.statuses = [500, 503]
    await told.client.post(ANALYZE, json=CARD)
    await until(lambda: receiver.got)
    assert [headers["x-alert-attempt"] for headers in receiver.headers] == ["1", "2", "3"]
    assert len({headers["x-alert-id"] for headers in receiver.headers}) == 1


async def test_after_the_last_attempt_it_is_a_dead_letter_that_is_seen_and_can_be_sent_again(
    told: Any, receiver: Any
) -> None:
    receiver.statuses = [500, 500, 500]
    found = (await told.client.post(ANALYZE, json=CARD)).json()
    await until(lambda: len(receiver.headers) == 3)

    async def dead() -> Any:
        return (await told.client.get("/api/v1/fraud/deliveries")).json()["deliveries"]

    async with asyncio.timeout(5):
        while not await dead():
            await asyncio.sleep(0.02)
    (letter,) = await dead()
    assert (letter["alert"], letter["attempts"], letter["last_error"]) == (
        found["alert"]["id"],
        3,
        "answered with status 500",
    )
    assert (await told.client.post(f"/api/v1/fraud/deliveries/{letter['id']}/revive")).status_code == 200
    await until(lambda: receiver.got)
    assert await dead() == []


async def test_alerts_are_listed_newest_first_in_pages_and_acknowledged_once(desk: Any) -> None:
    ids = [(await desk.client.post(ANALYZE, json=CARD)).json()["alert"]["id"] for _ in range(3)]
    page = (await desk.client.get(ALERTS, params={"limit": 2})).json()
    assert [alert["id"] for alert in page["alerts"]] == ids[:0:-1]
    rest = (await desk.client.get(ALERTS, params={"limit": 2, "before": page["next_before"]})).json()
    assert [alert["id"] for alert in rest["alerts"]] == ids[:1] and rest["next_before"] is None
    first = (await desk.client.post(f"{ALERTS}/{ids[0]}/acknowledge", json={"note": "called"})).json()
    again = (await desk.client.post(f"{ALERTS}/{ids[0]}/acknowledge", json={"note": "me too"})).json()
    assert first["note"] == again["note"] == "called" and first["acknowledged_by"].startswith("address:")
    still = (await desk.client.get(ALERTS, params={"state": "open"})).json()["alerts"]
    assert [alert["id"] for alert in still] == ids[:0:-1]
    assert (await desk.client.post(f"{ALERTS}/alrt_none/acknowledge")).status_code == 404


async def test_a_page_that_is_full_and_the_last_one_says_so(desk: Any) -> None:
    for _ in range(2):
        await desk.client.post(ANALYZE, json=CARD)
    assert (await desk.client.get(ALERTS, params={"limit": 2})).json()["next_before"] is None
    assert (await desk.client.get(ALERTS, params={"limit": 1})).json()["next_before"] is not None


@pytest.mark.parametrize("path", [ALERTS, "/api/v1/fraud/deliveries"])
@pytest.mark.parametrize(
    "asked", [{"before": 0}, {"before": 2**63}, {"before": "x"}, {"limit": 0}, {"limit": 501}, {"state": "none"}]
)
async def test_what_no_page_can_be_is_refused_with_the_parameter(desk: Any, path: str, asked: dict[str, Any]) -> None:
    refused = await desk.client.get(path, params=asked)
    assert refused.status_code == 422 and f"'{next(iter(asked))}'" in refused.json()["detail"]
    assert (await desk.client.get(path, params={"before": 2**63 - 1, "limit": 500})).status_code == 200


@pytest.mark.parametrize(("number", "status"), [("0", 422), (str(2**63), 422), ("x", 422), (str(2**63 - 1), 404)])
async def test_a_delivery_that_cannot_be_is_not_sent_again(desk: Any, number: str, status: int) -> None:
    refused = await desk.client.post(f"/api/v1/fraud/deliveries/{number}/revive")
    assert refused.status_code == status and refused.json()["detail"]


async def test_an_alert_that_is_not_there_is_told_in_short(desk: Any) -> None:
    for name in ("alrt_none", "a" * 5000, "%00", "%EF%BF%BD"):
        answer = await desk.client.post(f"{ALERTS}/{name}/acknowledge", json={"note": "seen"})
        assert answer.status_code == 404 and "/api/v1/fraud/alerts" in answer.json()["detail"]
        assert len(answer.json()["detail"]) < 200


@pytest.mark.parametrize("body", [{"note": 1}, {"note": "x" * 2001}, {"note": "x\x00"}, {"notes": "x"}, []])
async def test_a_note_that_cannot_be_kept_leaves_the_alert_open(desk: Any, body: object) -> None:
    alert = (await desk.client.post(ANALYZE, json=CARD)).json()["alert"]["id"]
    assert (await desk.client.post(f"{ALERTS}/{alert}/acknowledge", json=body)).status_code == 422
    (still,) = (await desk.client.get(ALERTS, params={"state": "open"})).json()["alerts"]
    assert still["id"] == alert


async def test_acknowledging_twice_happens_once_in_the_stream(desk: Any) -> None:
    alert = (await desk.client.post(ANALYZE, json=CARD)).json()["alert"]["id"]
    for _ in range(2):
        assert (await desk.client.post(f"{ALERTS}/{alert}/acknowledge")).status_code == 200
    happened = await desk.services.fraud.ledger.run(lambda log: log.alerts.events(0))
    assert [one.event for one in happened] == ["raised", "acknowledged"]


async def test_a_stream_resumes_no_later_than_now_and_only_from_a_number(desk: Any) -> None:
    await desk.client.post(ANALYZE, json=CARD)
    feed = desk.services.fraud.feed
    assert [await feed.start(given) for given in (None, "0", "1", "999999")] == [1, 0, 1, 1]
    for given in ("", "-1", "1.0", "x", "9" * 30):
        refused = await desk.client.get(ALERTS, headers={"Accept": "text/event-stream", "Last-Event-ID": given})
        assert refused.status_code == 422 and "Last-Event-ID" in refused.json()["detail"]


def events_of(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def follow(client: httpx.Client, count: int, last: str | None = None, heartbeats: int = 0) -> tuple[str, Any]:
    """Listen until so many events or heartbeats came; returns the text and the events."""
    headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
    text = ""
    with client.stream("GET", ALERTS, headers=headers, timeout=15) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for piece in answer.iter_text():
            text += piece
            if len(events_of(text)) >= count and text.count(": alive") >= heartbeats:
                break
    return text, events_of(text)


def test_a_stream_resumes_where_it_was_left_and_says_that_it_lives(
    start_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = start_gateway(predictor.url, fraud_heartbeat_seconds="0.3")
    with gateway.client() as client:
        ids = [client.post(ANALYZE, json=CARD).json()["alert"]["id"] for _ in range(2)]
        client.post(f"{ALERTS}/{ids[0]}/acknowledge", json={"note": "seen"})
        _, events = follow(client, 3, last="0")
        assert [(event, alert["id"]) for _, event, alert in events] == [
            ("raised", ids[0]),
            ("raised", ids[1]),
            ("acknowledged", ids[0]),
        ]
        _, resumed = follow(client, 1, last=str(events[1][0]))
        assert [one[0] for one in resumed] == [events[2][0]]
        text, fresh = follow(client, 0, heartbeats=2)
        assert fresh == [] and text.count(": alive") == 2
        assert client.get(ALERTS, headers={"Accept": "text/event-stream", "Last-Event-ID": "x"}).status_code == 422


def test_no_more_streams_are_kept_than_allowed_and_one_that_ends_makes_room(
    start_gateway: Callable[..., Any], predictor: Any, wait_until: Callable[..., None]
) -> None:
    gateway = start_gateway(predictor.url, fraud_most_streams="2", fraud_heartbeat_seconds="0.2")
    headers = {"Accept": "text/event-stream"}

    def opens(client: httpx.Client) -> int:
        with client.stream("GET", ALERTS, headers=headers) as answer:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] and "ask for the list instead" in answer.read().decode()
            return answer.status_code

    with gateway.client() as client, client.stream("GET", ALERTS, headers=headers) as first:
        coming = first.iter_text()  # held, because a stream ends with its iterator
        assert first.status_code == 200 and next(coming)
        with client.stream("GET", ALERTS, headers=headers) as second:
            also = second.iter_text()
            assert second.status_code == 200 and next(also)
            assert opens(client) == 503
            assert client.get(ALERTS).status_code == 200
        wait_until(lambda: opens(client) == 200, 10, "room for a stream")


def test_after_kill_9_between_decision_and_delivery_the_alert_still_arrives(
    start_gateway: Callable[..., Any], predictor: Any, tmp_path: Path, wait_until: Callable[..., None], free_port: Any
) -> None:
    port = free_port()
    settings = {
        "fraud_webhooks": json.dumps(hooks(f"http://127.0.0.1:{port}/alerts")),
        "fraud_webhook_first_pause_seconds": "0.1",
        "fraud_webhook_longest_pause_seconds": "0.5",
    }
    gateway = start_gateway(predictor.url, **settings)
    with gateway.client() as client:
        found = client.post(ANALYZE, json={**CARD, "transaction_id": "t-1"}).json()
    gateway.stop(signal.SIGKILL)  # nobody listened there: the alert is in the outbox and nowhere else
    receiver = Receiver().start(port)
    try:
        again = start_gateway(predictor.url, **settings)
        wait_until(lambda: receiver.got, 30, "the alert's delivery")
        with again.client() as client:
            assert client.post(ANALYZE, json={**CARD, "transaction_id": "t-1"}).json()["id"] == found["id"]
    finally:
        receiver.stop()
    assert {alert["id"] for alert in receiver.got} == {found["alert"]["id"]}
