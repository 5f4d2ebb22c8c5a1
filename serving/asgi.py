"""Requests and answers in plain ASGI: what costs microseconds where a web framework costs hundreds."""

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from serving.errors import CallerGoneError, DeadlineError, PredictorError, TooLargeError

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

Headers = Mapping[bytes, bytes]
"""Names in lower case; of a name that comes twice, the last."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as its headers; `seconds_left` is its deadline, seen from now."""

    headers: Headers
    receive: "Receive"
    request_id: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Response:
    """A finished answer; `headers` stand beside type, length and request id."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


def error_response(error: PredictorError) -> Response:
    """An error as KServe's clients read it."""
    headers: list[tuple[bytes, bytes]] = []
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after_seconds))))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Response(orjson.dumps({"error": error.message}), error.status, headers=headers)


def caller_alive(receive: "Receive") -> Callable[[], bool]:
    """A function that tells, without waiting, whether the caller of a request is still connected.

    It lets `receive` take one step: a server that has nothing to say waits there, and one that saw the connection
    close answers at once.
    """

    def alive() -> bool:
        step = receive().__await__()
        try:
            next(step)
        except StopIteration as stop:
            return bool(stop.value["type"] != "http.disconnect")
        finally:
            close = getattr(step, "close", None)
            if close is not None:
                close()
        return True

    return alive


def closing(send: "Send") -> "Send":
    """Ask callers to leave the connection, so that none is cut when the process goes."""

    async def with_close(message: "Message") -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return with_close


async def send_response(send: "Send", response: Response, request_id: str) -> None:
    """Send a finished answer with its request id."""
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request_id.encode()),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def request_id_of(headers: Headers) -> str:
    """The caller's `X-Request-ID` where it can do no harm, or a new one."""
    given = headers.get(b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def text(headers: Headers, name: bytes) -> str:
    """A header as text; empty where it is absent."""
    value = headers.get(name)
    return "" if value is None else value.decode("latin-1")


async def read_body(request: Request, limit: int, deadline: float) -> bytes:
    """The whole body.

    Args:
        request: The request as far as its headers.
        limit: Most bytes; no more are ever held.
        deadline: On the event loop's clock.

    Raises:
        TooLargeError: It is longer than `limit`.
        DeadlineError: It did not arrive in time.
        CallerGoneError: The connection closed before its end.
    """
    declared = request.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(f"{int(declared)} bytes", limit)
    try:
        async with asyncio.timeout_at(deadline):
            return await _collect(request.receive, limit)
    except TimeoutError as error:
        raise DeadlineError("the deadline passed before the body had arrived") from error


async def _collect(receive: "Receive", limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large("more", limit)
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


def _too_large(received: str, limit: int) -> TooLargeError:
    return TooLargeError(f"a body may hold at most {limit} bytes and this one holds {received}; send less at a time")
