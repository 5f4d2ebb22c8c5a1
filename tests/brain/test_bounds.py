"""Bounds on what a caller can hold: time, bytes, connections."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from brain.clients.breaker import Breaker

PREDICT = "/api/v1/crypto/predict"
JSON = {"Content-Type": "application/json"}


def exchange(gateway: Any, sent: list[bytes], pause_seconds: float = 0.0) -> bytes:
    """Send pieces over a bare connection and return what comes back before it closes."""
    port = int(gateway.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for piece in sent:
                connection.sendall(piece)
                time.sleep(pause_seconds)
        except OSError:
            pass  # closed while we were still sending
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except OSError:
            pass
        return received


async def test_a_body_that_does_not_arrive_is_408_at_the_deadline(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(default_timeout_seconds=0.3)

    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"symbol"'
        await anyio.sleep(5)
        yield b': "BTC"}'

    begun = time.monotonic()
    answer = await gateway.client.post(PREDICT, content=dripping(), headers=JSON)
    assert answer.status_code == 408 and answer.headers["content-type"] == "application/problem+json"
    assert time.monotonic() - begun < 4


async def test_a_handler_that_forgets_its_deadline_is_504(
    open_gateway: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from brain.parts import StatusBoard

    gateway = await open_gateway(default_timeout_seconds=0.2)
    monkeypatch.setattr(StatusBoard, "status", lambda _: anyio.sleep(5))
    begun = time.monotonic()
    answer = await gateway.client.get("/status")
    assert answer.status_code == 504 and time.monotonic() - begun < 4


def test_a_head_without_end_is_cut_off_before_it_fills_the_memory(gateway: Any) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: "
    received = exchange(gateway, [head, *[b"a" * 32_768] * 40])
    assert received == b"" or received.startswith(b"HTTP/1.1 431")
    with gateway.client() as client:
        assert client.get("/health").status_code == 200


def test_a_large_body_behind_a_small_head_is_not_taken_for_a_head(gateway: Any) -> None:
    with gateway.client() as client:
        for _ in range(2):
            answer = client.post(PREDICT, json={"symbol": "BTC", "padding": "x" * 200_000})
            assert answer.status_code == 422 and "/padding" in answer.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x00\xa5",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["TLS", "no colon", "negative length"],
)
def test_what_is_not_http_is_refused_and_the_gateway_goes_on(gateway: Any, request_bytes: bytes) -> None:
    assert exchange(gateway, [request_bytes]).startswith(b"HTTP/1.1 400")
    with gateway.client() as client:
        assert client.get("/health").status_code == 200


async def test_a_connection_that_never_ends_its_head_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    import uvicorn

    from brain import http_protocol

    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(app, http=http_protocol.BoundedHttpProtocol, lifespan="off", ws="none", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server._serve([listener]))
        address = listener.getsockname()
        whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        for sent, expected in ((b"", b"408"), (b"GET / HTTP/1.1\r\nHost: a", b"408"), (whole + b"GET /", b"ok")):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(sent)
            received = await asyncio.wait_for(reader.read(), 5)
            assert expected in received
            writer.close()
        server.should_exit = True
        await serving


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_call_try() -> None:
    breaker = Breaker(failures=2, open_seconds=0.05)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.admit() == 0 and not breaker.is_open
    breaker.failed()
    assert breaker.admit() > 0 and breaker.is_open
    time.sleep(0.06)
    assert breaker.admit() == 0, "one call tries"
    assert breaker.admit() > 0, "the others stay away"
    breaker.succeeded()
    assert breaker.admit() == 0 and not breaker.is_open
