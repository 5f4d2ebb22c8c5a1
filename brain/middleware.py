"""What every request passes before a route sees it, in plain ASGI."""

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from brain.deadline import TIMEOUT_HEADER, Deadline, requested_timeout
from brain.errors import internal_error
from brain.security.auth import Authenticator, unauthorized
from brain.security.limits import RateLimiter
from brain.security.origins import OriginPolicy
from runtime.asgi import send_wire
from runtime.logs import get_logger
from runtime.metrics import HttpMetrics
from runtime.problems import Problem, WireResponse, render
from runtime.tracing import current_request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not `no-referrer`: with it browsers send `Origin: null` with a form, and the log-in would be refused.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

LATE_GRACE_SECONDS = 0.25
"""A handler notices its own deadline first; this much later the middleware answers in its place."""

PROBES = frozenset({"/health", "/ready"})
"""Asked by machines that know neither our names nor a key."""

PUBLIC = frozenset({"/login", "/logout", "/docs", "/openapi.json", "/favicon.ico"})
PUBLIC_FOLDERS = ("/static/", "/docs/")

_log = get_logger("brain.access")


class AnswerMiddleware:
    """Outermost: security headers, metrics, the access log, and a 500 that says nothing of its cause."""

    def __init__(self, app: "ASGIApp", metrics: HttpMetrics, *, access_log: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection; only HTTP ones are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def send_guarded(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                given = {name for name, _ in headers}
                headers += [(name, value) for name, value in SECURITY_HEADERS if name not in given]
                if b"cache-control" not in given:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        with self._metrics.in_flight():
            try:
                await self._app(scope, receive, send_guarded)
            except Exception as error:  # noqa: BLE001 - the last place that can turn a fault into an answer
                _log.error("unhandled error", exc_info=error, method=scope["method"], path=scope["path"])
                if not status:
                    await send_wire(send_guarded, render(internal_error(), current_request_id()))
        self._record(scope, status, time.perf_counter() - begun)

    def _record(self, scope: "Scope", status: int, seconds: float) -> None:
        route = route_template(scope)
        status = status or 499  # the caller hung up before an answer began
        self._metrics.observe(method=scope["method"], route=route, status=status, seconds=seconds)
        if self._access_log and route not in PROBES and route != "static":
            caller = getattr(scope["state"].get("principal"), "id", "")
            _log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                milliseconds=round(seconds * 1000, 1),
                caller=caller,
            )


class GateMiddleware:
    """Host, origin, who it is and how often: nothing behind it runs for a request that it refuses."""

    def __init__(
        self,
        app: "ASGIApp",
        *,
        origins: OriginPolicy,
        authenticator: Authenticator,
        limiter: RateLimiter,
        own_limits: Mapping[str, str] = MappingProxyType({}),
        open_paths: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._origins = origins
        self._authenticator = authenticator
        self._limiter = limiter
        self._own_limits = own_limits
        self._open = PUBLIC | PROBES | open_paths

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection; only HTTP ones are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            refused = await self._refusal(scope)
        except Problem as problem:
            refused = render(problem, current_request_id())
        if refused is not None:
            await send_wire(send, refused)
            return
        await self._app(scope, receive, send)

    async def _refusal(self, scope: "Scope") -> WireResponse | None:
        headers = Headers(scope=scope)
        path, method = scope["path"], scope["method"]
        if path in PROBES:
            return None
        self._origins.check_host(headers)
        self._origins.check_origin(method, headers)
        address = scope["client"][0] if scope.get("client") else "unknown"
        if path in self._open or path.startswith(PUBLIC_FOLDERS):
            return None
        principal = await self._authenticator.identify(headers, address)
        if principal is None:
            if method == "GET" and "text/html" in headers.get("accept", ""):
                location = (("location", "/login"), ("content-length", "0"))
                return WireResponse(303, location, b"")
            raise unauthorized("an API key is needed: send Authorization: Bearer KEY, or X-API-Key: KEY")
        if principal.session:
            self._origins.check_origin(method, headers, session=True)
        scope["state"]["principal"] = principal
        await self._limiter.hit(self._own_limits.get(path, "requests"), principal.id)
        return None


class ByPath:
    """Sends some paths through an application of their own, such as one with wider limits."""

    def __init__(self, usual: "ASGIApp", others: "Mapping[str, ASGIApp]") -> None:
        self._usual = usual
        self._others = others

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection."""
        await self._others.get(scope.get("path", ""), self._usual)(scope, receive, send)


class DeadlineMiddleware:
    """Fixes the deadline when a request is accepted, and answers for whatever has not begun to answer by then.

    The answer is 408 where the caller is still sending the body, 504 otherwise. A response that has begun may take as
    long as it needs. A route that was asked to wait for something moves its deadline by `request.state.allow(seconds)`,
    which returns the new one; a caller's own `X-Timeout-Seconds` still holds.
    """

    def __init__(self, app: "ASGIApp", longest_seconds: float) -> None:
        self._app = app
        self._longest_seconds = longest_seconds

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection; only HTTP ones are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(TIMEOUT_HEADER)
        try:
            seconds = requested_timeout(asked, self._longest_seconds)
        except Problem as problem:
            await send_wire(send, render(problem, current_request_id()))
            return
        accepted = Deadline.after(0)
        scope["state"]["deadline"] = Deadline(accepted.at + seconds)
        reading = whole = begun = False
        try:
            async with asyncio.timeout(seconds + LATE_GRACE_SECONDS) as limit:

                def allow(more_seconds: float) -> Deadline:
                    nonlocal seconds
                    longer = requested_timeout(asked, self._longest_seconds + more_seconds)
                    when = limit.when()
                    if when is not None:
                        limit.reschedule(when + longer - seconds)
                    seconds = longer
                    deadline = scope["state"]["deadline"] = Deadline(accepted.at + seconds)
                    return deadline

                async def receive_noted() -> "Message":
                    nonlocal reading, whole
                    reading = not whole
                    message = await receive()
                    whole = whole or not message.get("more_body", False)
                    reading = not whole
                    return message

                async def send_begun(message: "Message") -> None:
                    nonlocal begun
                    begun = True
                    limit.reschedule(None)
                    await send(message)

                scope["state"]["allow"] = allow
                await self._app(scope, receive_noted, send_begun)
        except TimeoutError:
            if begun:
                raise
            await send_wire(send, render(_late(seconds, reading=reading), current_request_id()))


def _late(seconds: float, *, reading: bool) -> Problem:
    if reading:
        return Problem(408, detail=f"the body had not arrived after {seconds:g} s; send it faster")
    return Problem(504, detail=f"the request was not answered within {seconds:g} s; allow more time")


def route_template(scope: "Scope") -> str:
    """`/api/v1/things/{id}` rather than the path that was asked for, which callers could make unbounded."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return "static" if path.startswith("/static") or path == "/docs/{file}" else path
    return "static" if scope["path"].startswith("/static/") else "unmatched"
