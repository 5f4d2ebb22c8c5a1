"""W3C trace context: read it from a caller, carry it through the process, pass it on."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_TRACESTATE_CHARACTERS = 512


@dataclass(frozen=True)
class TraceContext:
    """Where this work stands in a trace.

    `trace_id` is 32 and `span_id` 16 lower-case hex digits; `tracestate` is passed on as it came.
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    tracestate: str = ""

    @property
    def traceparent(self) -> str:
        """The header's value."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> "TraceContext":
        """The same trace with a new span id: what goes out with a call to another process."""
        return TraceContext(self.trace_id, secrets.token_hex(8), self.sampled, self.tracestate)


_current: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def parse(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """Read a `traceparent`; None where it is malformed, as the standard asks, so that a new trace begins."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    state = tracestate if len(tracestate) <= _MAX_TRACESTATE_CHARACTERS else ""
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & 1), state)


def new_trace() -> TraceContext:
    """Begin a trace."""
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8))


def continue_or_begin(traceparent: str | None, tracestate: str = "") -> TraceContext:
    """This process's span in the caller's trace, or in a new one."""
    caller = parse(traceparent, tracestate) if traceparent else None
    return caller.child() if caller else new_trace()


def current_trace() -> TraceContext | None:
    """The trace of the request in hand, if there is one."""
    return _current.get()


def current_request_id() -> str:
    """The id of the request in hand; empty outside a request."""
    return _request_id.get()


def bind(trace: TraceContext | None, request_id: str = "") -> None:
    """Make `trace` and `request_id` current for this task and those it starts."""
    _current.set(trace)
    _request_id.set(request_id)


def outgoing_headers() -> dict[str, str]:
    """Headers that tie a call to another process to the request in hand; empty outside a request."""
    headers = {"X-Request-ID": current_request_id()} if current_request_id() else {}
    trace = current_trace()
    if trace is not None:
        headers[TRACEPARENT] = trace.child().traceparent
        if trace.tracestate:
            headers[TRACESTATE] = trace.tracestate
    return headers
