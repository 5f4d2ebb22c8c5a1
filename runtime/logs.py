"""Structured logs: one event, one line, with the request's ids and without secrets."""

import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from runtime.settings import runtime_settings

LogFormat = Literal["json", "console"]

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"(secret|passw(or)?d|passphrase|credential|authorization|cookie|private_?key|api_?key|access_?key"
    r"|(^|_)(token|session_?id|signature|dsn)s?$)",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_MAX_DEPTH = 6


def configure_logging(
    service: str, *, level: str | None = None, log_format: LogFormat | None = None, stream: TextIO | None = None
) -> None:
    """Send every log line of this process, structlog's and the standard library's, through one pipeline.

    Call it once, when the process starts; a second call replaces the first.

    Args:
        service: Name of the process, `service` in every line.
        level: Least severe level written; by default `AIO_LOG_LEVEL`.
        log_format: `json` or `console`; by default `AIO_LOG_FORMAT`.
        stream: Where lines go; by default standard error.
    """
    settings = runtime_settings()
    least = level or settings.log_level
    chain = _shared_processors(service)
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(log_format or settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(least)
    _adopt_server_loggers()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events carry `logger=name`; safe to make before `configure_logging`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bind_request(*, request_id: str, trace_id: str) -> None:
    """Put the ids of the request in hand into every line that this task logs from now on."""
    structlog.contextvars.bind_contextvars(request_id=request_id, trace_id=trace_id)


def unbind_request() -> None:
    """Take the request's ids out again."""
    structlog.contextvars.unbind_contextvars("request_id", "trace_id")


def redact(value: object, depth: int = 0) -> object:
    """Copy a value with secrets masked: by key in mappings, by shape (URL passwords, bearer tokens) in text."""
    if isinstance(value, str):
        return _redact_text(value)
    if depth >= _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: REDACTED if _names_a_secret(str(key)) else redact(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth + 1) for item in value]
    return value


@lru_cache(1024)
def _names_a_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _redact_text(text: str) -> str:
    """Most text holds neither an `@` nor two words, and two patterns over every field would cost more than the line."""
    if "@" in text:
        text = _URL_PASSWORD.sub(rf"\g<head>:{REDACTED}@", text)
    if len(text.split(maxsplit=1)) > 1:
        text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return text


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        key: REDACTED if _names_a_secret(key) else redact(value) if key != "exc_info" else value
        for key, value in event.items()
        if key not in ("_record", "_from_structlog")
    } | {key: event[key] for key in ("_record", "_from_structlog") if key in event}


def _redact_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The rest of the event has been redacted before; a traceback becomes text only where it is rendered."""
    if "exception" in event:
        event["exception"] = redact(event["exception"])
    return event


def _single_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    message = event.get("event")
    if isinstance(message, str):
        event["event"] = message.replace("\r", "\\r").replace("\n", "\\n")
    return event


def _shared_processors(service: str) -> list[Processor]:
    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _redact_event,
        _single_line,
    ]


def _renderers(log_format: LogFormat) -> list[Processor]:
    # Tracebacks are rendered here, without local variables, so that they pass the redaction as text.
    final: Processor = structlog.processors.JSONRenderer(default=str)
    if log_format == "console":
        final = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return [structlog.processors.format_exc_info, _redact_exception, final]


def _adopt_server_loggers() -> None:
    """Uvicorn installs handlers of its own; without this each of its lines would come out twice or unstructured."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
