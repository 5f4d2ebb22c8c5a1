"""What the gateway answers when the predictor has a bad day."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.wire import WirePredictor

PREDICT = "/api/v1/crypto/predict"
BODY = {"symbol": "BTC"}
JSON = {"content-type": "application/json"}
Answer = tuple[int, dict[str, str], bytes]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def on_infer(answer: Answer) -> Callable[[str], Answer | None]:
    return lambda path: answer if path.endswith("/infer") else None


def inference(change: Callable[[dict[str, Any]], object]) -> Callable[[str], Answer | None]:
    """The usual answer after `change` has been at it."""
    document = WirePredictor().inference(["BTC"], 0)
    change({tensor["name"]: tensor for tensor in document["outputs"]} | {"document": document})
    return on_infer((200, JSON, json.dumps(document).encode()))


async def test_a_predictor_that_is_down_is_503_with_retry_after_and_comes_back_by_itself(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, breaker_failures=2, breaker_open_seconds=0.2)
    assert (await gateway.client.post(PREDICT, json=BODY)).status_code == 200
    predictor.stop()
    for _ in range(4):
        answer = await gateway.client.post(PREDICT, json=BODY)
        assert problem(answer, 503)["service"] == "the crypto predictor (1h)"
        assert int(answer.headers["retry-after"]) >= 1
    predictor.start()
    deadline = time.monotonic() + 5
    while (answer := await gateway.client.post(PREDICT, json=BODY)).status_code != 200:
        assert time.monotonic() < deadline, answer.text
    assert answer.json()["symbol"] == "BTC"


async def test_a_predictor_that_was_never_up_is_503_for_symbols_too(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    problem(await gateway.client.get("/api/v1/crypto/symbols"), 503)


async def test_while_the_breaker_is_open_no_call_goes_out(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url, breaker_failures=1, breaker_open_seconds=30)
    predictor.stop()
    problem(await gateway.client.post(PREDICT, json=BODY), 503)
    predictor.start()
    predictor.predictor.seen.clear()
    answer = await gateway.client.post(PREDICT, json=BODY)
    assert "all failed" in problem(answer, 503)["detail"]
    assert predictor.predictor.seen == []


async def test_a_slow_predictor_is_504_at_the_deadline_that_the_caller_asked_for(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url)
    await gateway.client.get("/api/v1/crypto/symbols")
    predictor.predictor.delay_seconds = 3
    begun = time.monotonic()
    answer = await gateway.client.post(PREDICT, json=BODY, headers={"X-Timeout-Seconds": "0.5"})
    assert 0.4 < time.monotonic() - begun < 2.5
    assert "deadline" in problem(answer, 504)["detail"]


async def test_a_slow_predictor_is_504_at_the_gateways_own_deadline(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, default_timeout_seconds=0.4)
    predictor.predictor.delay_seconds = 4
    begun = time.monotonic()
    answer = await gateway.client.post(PREDICT, json=BODY, headers={"X-Timeout-Seconds": "60"})
    assert time.monotonic() - begun < 3.5
    problem(answer, 504)


async def test_callers_with_tiny_deadlines_do_not_shut_the_predictor_for_others(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, breaker_failures=2, breaker_open_seconds=30)
    await gateway.client.get("/api/v1/crypto/symbols")
    predictor.predictor.delay_seconds = 0.3
    for _ in range(4):
        problem(await gateway.client.post(PREDICT, json=BODY, headers={"X-Timeout-Seconds": "0.05"}), 504)
    assert (await gateway.client.post(PREDICT, json=BODY)).status_code == 200


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
async def test_a_timeout_that_is_no_time_is_400(open_gateway: Callable[..., Any], value: str) -> None:
    gateway = await open_gateway()
    problem(await gateway.client.get("/health", headers={"X-Timeout-Seconds": value}), 400)


GARBAGE: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "an output is missing": lambda t: t["document"]["outputs"].remove(t["quantiles"]),
    "a shape does not fit its data": lambda t: t["quantiles"].update(shape=[1, 24, 6]),
    "too few steps": lambda t: t["quantiles"].update(shape=[1, 3, 7], data=t["quantiles"]["data"][:21]),
    "no steps": lambda t: t["quantiles"].update(shape=[1, 0, 7], data=[]),
    "two rows": lambda t: t["quantiles"].update(shape=[2, 12, 7]),
    "a number is null, as KServe sends NaN": lambda t: t["quantiles"]["data"].__setitem__(3, None),
    "a number is text": lambda t: t["quantiles"]["data"].__setitem__(3, "0.1"),
    "quantiles cross": lambda t: t["quantiles"]["data"].__setitem__(0, 5.0),
    "a return beyond all numbers": lambda t: t["quantiles"]["data"].__setitem__(6, 1e6),
    "levels do not ascend": lambda t: t["quantile_levels"].update(data=[0.5] * 7),
    "the price is negative": lambda t: t["last_close"].update(data=[-1.0]),
    "the price is zero": lambda t: t["last_close"].update(data=[0.0]),
    "the time is no time": lambda t: t["as_of"].update(data=["yesterday"]),
    "the time has no zone": lambda t: t["as_of"].update(data=["2026-01-01T00:00:00"]),
    "an indicator has no name": lambda t: t["indicator_names"].update(shape=[1], data=["rsi_14"]),
    "unusual features are no list": lambda t: t["unusual_features"].update(data=['{"a": 1}']),
    "unusual features are no JSON": lambda t: t["unusual_features"].update(data=["x,y"]),
    "outputs are an object": lambda t: t["document"].update(outputs={}),
}


async def test_whatever_breaks_the_wire_contract_is_502_and_says_what(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url)
    for name, change in GARBAGE.items():
        predictor.predictor.answer = inference(change)
        document = problem(await gateway.client.post(PREDICT, json=BODY), 502)
        assert "broke its contract" in document["detail"], name
    predictor.predictor.answer = None
    assert (await gateway.client.post(PREDICT, json=BODY)).status_code == 200


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((200, JSON, b"not json"), 502),
        ((200, {"content-type": "text/html"}, b"<html>"), 502),
        ((200, JSON, b'{"model_name": "x", "outputs": [{"name": "quantiles"'), 502),
        ((200, {**JSON, "content-encoding": "gzip"}, b"not gzip"), 502),
        ((200, JSON, b"[" * 9_000_000), 502),
        ((500, JSON, b'{"error": "Traceback: secret path"}'), 502),
        ((302, {"location": "http://example.com/"}, b""), 502),
        ((422, JSON, b'{"error": "expected (N, 168, 38), got (1, 3)"}'), 502),
        ((429, {**JSON, "retry-after": "7"}, b'{"error": "the queue is full"}'), 503),
        ((503, {**JSON, "retry-after": "11.2"}, b'{"error": "no model is loaded"}'), 503),
        ((504, JSON, b'{"error": "deadline"}'), 504),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, tuple) else "",
)
async def test_answers_of_the_predictor_become_the_matching_problem(
    open_gateway: Callable[..., Any], predictor: Any, answer: Answer, status: int
) -> None:
    gateway = await open_gateway(predictor.url)
    predictor.predictor.answer = on_infer(answer)
    found = await gateway.client.post(PREDICT, json=BODY)
    document = problem(found, status)
    assert "secret" not in found.text
    if status == 503:
        assert found.headers["retry-after"] == {429: "7", 503: "12"}[answer[0]]
        assert json.loads(answer[2])["error"] in document["detail"]


async def test_a_model_that_is_not_there_yet_is_503_and_an_unknown_symbol_is_404(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url)
    predictor.predictor.answer = on_infer((404, JSON, b'{"error": "no such model"}'))
    problem(await gateway.client.post(PREDICT, json=BODY), 503)
    problem(await gateway.client.post(PREDICT, json={"symbol": "BTCC"}), 404)


async def test_metadata_without_symbols_is_502(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url)
    predictor.predictor.answer = lambda path: (200, JSON, b'{"name": "m"}')
    problem(await gateway.client.post(PREDICT, json=BODY), 502)


async def test_deadline_request_id_trace_and_key_travel_to_the_predictor(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, predictor_api_key="aio_upstream", default_timeout_seconds=20)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "follow-me", "traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Timeout-Seconds": "5"}
    answer = await gateway.client.post(PREDICT, json=BODY, headers=headers)
    assert answer.headers["x-request-id"] == "follow-me"
    _, _, seen, _ = next(entry for entry in predictor.predictor.seen if entry[1].endswith("/infer"))
    assert seen["x-request-id"] == "follow-me"
    assert seen["traceparent"].split("-")[1] == trace and "00f067aa0ba902b7" not in seen["traceparent"]
    assert 3 < float(seen["x-deadline"]) - time.time() <= 5
    assert seen["authorization"] == "Bearer aio_upstream"


class FlakyProxy:
    """Passes bytes to a server after it has broken the first few connections without a word."""

    def __init__(self, target_port: int, breaks: int) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._target, self._breaks = target_port, breaks
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.connections <= self._breaks:
                inner.recv(65536)
                inner.close()
                continue
            outer = socket.create_connection(("127.0.0.1", self._target))
            for a, b in ((inner, outer), (outer, inner)):
                Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(a: socket.socket, b: socket.socket) -> None:
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


async def test_a_connection_that_breaks_is_tried_again_within_the_deadline(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    proxy = FlakyProxy(predictor.port, breaks=2)
    gateway = await open_gateway(proxy.url)
    try:
        assert (await gateway.client.post(PREDICT, json=BODY)).status_code == 200
        assert proxy.connections >= 3
    finally:
        proxy.close()


async def test_tries_are_bounded(open_gateway: Callable[..., Any], predictor: Any) -> None:
    proxy = FlakyProxy(predictor.port, breaks=1000)
    gateway = await open_gateway(proxy.url, upstream_attempts=3)
    try:
        problem(await gateway.client.post(PREDICT, json=BODY), 502)
        assert proxy.connections == 3 * 2, "the HTTP library repeats a GET once by itself"
    finally:
        proxy.close()
