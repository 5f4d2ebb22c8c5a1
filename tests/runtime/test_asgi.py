import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from runtime import tracing
from runtime.asgi import BodyLimitMiddleware, RequestContextMiddleware
from runtime.problems import WireResponse

LIMIT = 1000


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers how much body came, with the ids it saw; `/early` begins its answer before it reads."""
    assert scope["type"] == "http"
    early = scope["path"] == "/early"
    if early:
        await send({"type": "http.response.start", "status": 200, "headers": []})
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"] == "/error":
        raise RuntimeError("own fault")
    trace = tracing.current_trace()
    seen = {"size": size, "request_id": tracing.current_request_id(), "trace_id": trace.trace_id if trace else ""}
    if not early:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"the application's own")]}
        )
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


def _client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def _stream(chunks: int, size: int = 100) -> AsyncIterator[bytes]:
    for _ in range(chunks):
        yield b"x" * size


async def test_a_callers_request_id_and_trace_are_kept_and_answered() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with _client(RequestContextMiddleware(_echo)) as client:
        answer = await client.get("/", headers={"X-Request-ID": "order-7:a/b", "traceparent": trace})
    assert answer.headers.get_list("x-request-id") == ["order-7:a/b"]
    assert answer.json()["request_id"] == "order-7:a/b"
    assert answer.json()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert tracing.current_trace() is None


@pytest.mark.parametrize("bad", ["", "x" * 129, "two words", 'quote"', "ünicode".encode().decode("latin-1")])
async def test_a_request_id_that_could_do_harm_is_replaced(bad: str) -> None:
    async with _client(RequestContextMiddleware(_echo)) as client:
        answer = await client.get("/", headers={"X-Request-ID": bad.encode("latin-1")})
        other = await client.get("/")
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"] == answer.json()["request_id"] != other.headers["x-request-id"]


async def test_a_body_up_to_the_limit_passes() -> None:
    async with _client(BodyLimitMiddleware(_echo, LIMIT)) as client:
        declared = await client.post("/", content=b"x" * LIMIT)
        streamed = await client.post("/", content=_stream(10))
    assert [declared.json()["size"], streamed.json()["size"]] == [LIMIT, LIMIT]


async def test_a_body_declared_too_large_is_refused_with_a_problem_before_it_is_read() -> None:
    async with _client(RequestContextMiddleware(BodyLimitMiddleware(_echo, LIMIT))) as client:
        answer = await client.post("/", content=b"x" * (LIMIT + 1), headers={"X-Request-ID": "r1"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert answer.headers["x-request-id"] == answer.json()["instance"] == "r1"
    assert answer.json()["detail"] == (
        "the body may hold at most 1000 bytes and this one holds 1001 bytes; send less at a time"
    )


async def test_a_streamed_body_is_counted_and_refused_whatever_the_application_makes_of_it() -> None:
    async with _client(BodyLimitMiddleware(_echo, LIMIT)) as client:
        answer = await client.post("/", content=_stream(11))
    assert answer.status_code == 413
    assert "holds more" in answer.json()["detail"]


async def test_an_answer_that_has_begun_is_cut_off_rather_than_finished() -> None:
    sent: list[Any] = []
    bodies = [{"type": "http.request", "body": b"x" * 600, "more_body": True}] * 3

    async def receive() -> Any:
        return bodies.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/early", "headers": []}
    await BodyLimitMiddleware(_echo, LIMIT)(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_the_applications_own_errors_pass_through() -> None:
    async with _client(BodyLimitMiddleware(_echo, LIMIT)) as client:
        with pytest.raises(RuntimeError, match="own fault"):
            await client.post("/error", content=b"x")


async def test_a_process_may_word_the_refusal_itself() -> None:
    def render(reason: str) -> WireResponse:
        return WireResponse(413, (("content-type", "application/json"),), json.dumps({"error": reason}).encode())

    async with _client(BodyLimitMiddleware(_echo, LIMIT, render)) as client:
        answer = await client.post("/", content=b"x" * 2000)
    assert answer.json()["error"].startswith("the body may hold at most 1000 bytes")


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_other_connections_are_not_touched(kind: str) -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    await RequestContextMiddleware(BodyLimitMiddleware(app, 1))({"type": kind}, nothing, nothing)
    assert seen == [kind]


@pytest.fixture
def server_port() -> Iterator[int]:
    import uvicorn

    app = RequestContextMiddleware(BodyLimitMiddleware(_echo, LIMIT))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", http="httptools"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def test_a_real_client_that_sends_megabytes_reads_its_413_and_the_connection_stays_usable(server_port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server_port}") as client:
        for content in (b"x" * 5_000_000, (b"x" * 10_000 for _ in range(500))):
            answer = client.post("/", content=content)
            assert answer.status_code == 413
            assert client.post("/", content=b"abc").json()["size"] == 3


def test_a_chunked_body_on_the_wire_is_counted(server_port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server_port), timeout=10) as connection:
        connection.sendall(head + b"".join(b"190\r\n" + b"x" * 400 + b"\r\n" for _ in range(3)))
        assert b" 413 " in connection.recv(4096)
