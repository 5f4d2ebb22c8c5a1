"""Middlewares that gateway and predictors share, in plain ASGI: they cost microseconds and know no framework."""

import re
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from runtime import logs, tracing
from runtime.problems import Problem, WireResponse, render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = "X-Request-ID"
TooLargeRenderer = Callable[[str], WireResponse]
"""Given what was wrong, in words, makes the 413 answer."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestContextMiddleware:
    """Gives every request an id and a place in a trace, binds both to the logs and answers with the id.

    A caller's `X-Request-ID` of up to 128 harmless characters is kept; anything else is replaced. The id is in
    `scope["state"]["request_id"]` and `runtime.tracing.current_request_id()`.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection; only HTTP ones are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _accepted_id(_header(scope["headers"], b"x-request-id")) or secrets.token_hex(16)
        trace = tracing.continue_or_begin(
            _text(_header(scope["headers"], b"traceparent")), _text(_header(scope["headers"], b"tracestate")) or ""
        )
        scope.setdefault("state", {})["request_id"] = request_id
        tracing.bind(trace, request_id)
        logs.bind_request(request_id=request_id, trace_id=trace.trace_id)

        async def send_with_id(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = [(k, v) for k, v in message.get("headers", ()) if k.lower() != b"x-request-id"]
                message = {**message, "headers": [*headers, (b"x-request-id", request_id.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            logs.unbind_request()
            tracing.bind(None)


class BodyLimitMiddleware:
    """Refuses request bodies over `max_bytes` with 413: by Content-Length at once, streamed ones while counting.

    Args:
        app: The application behind.
        max_bytes: Largest body that is let through.
        on_too_large: Makes the answer from the reason; by default a problem document.
    """

    def __init__(self, app: "ASGIApp", max_bytes: int, on_too_large: TooLargeRenderer | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._render = on_too_large or _problem_too_large

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection; only HTTP ones are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = _header(scope["headers"], b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > self._max_bytes:
            await send_wire(send, self._render(self._reason(f"{int(declared)} bytes")))
            return
        guard = _Guard(receive, send, self._max_bytes, lambda: self._render(self._reason("more")))
        try:
            await self._app(scope, guard.receive, guard.send)
        except Exception:
            if not guard.refused:
                raise

    def _reason(self, received: str) -> str:
        return f"the body may hold at most {self._max_bytes} bytes and this one holds {received}; send less at a time"


class _Guard:
    """Counts a streamed body; past the limit it answers itself and shows the application a closed connection."""

    def __init__(self, receive: "Receive", send: "Send", limit: int, answer: Callable[[], WireResponse]) -> None:
        self._receive, self._send, self._limit, self._answer = receive, send, limit, answer
        self._seen = 0
        self._started = False
        self.refused = False

    async def receive(self) -> "Message":
        if self.refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        self._seen += len(message.get("body", b""))
        if self._seen <= self._limit:
            return message
        self.refused = True
        if not self._started:
            await send_wire(self._send, self._answer())
        return {"type": "http.disconnect"}

    async def send(self, message: "Message") -> None:
        if self.refused and not self._started:
            return  # the 413 has gone out; what the application makes of the closed connection is of no use
        self._started = True
        await self._send(message)


async def send_wire(send: "Send", response: WireResponse) -> None:
    """Send a finished answer."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _problem_too_large(reason: str) -> WireResponse:
    return render(Problem(413, detail=reason), tracing.current_request_id())


def _accepted_id(value: bytes | None) -> str | None:
    return value.decode("ascii") if value is not None and _REQUEST_ID.fullmatch(value) else None


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for key, value in headers if key.lower() == name), None)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
