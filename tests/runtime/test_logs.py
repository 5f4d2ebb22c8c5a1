import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from runtime.logs import bind_request, configure_logging, get_logger, redact, unbind_request

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines() -> Lines:
    stream = io.StringIO()
    configure_logging("tester", level="INFO", log_format="json", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_service_level_logger_and_time(lines: Lines) -> None:
    get_logger("a.b").warning("disk\nfull", free_bytes=7)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "disk\\nfull",
        "free_bytes": 7,
        "level": "warning",
        "logger": "a.b",
        "service": "tester",
    }


def test_the_standard_librarys_lines_come_out_alike(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info("%s answered %d", "/health", 200)
    logging.getLogger("x").debug("too fine")
    assert [(line["event"], line["logger"]) for line in lines()] == [("/health answered 200", "uvicorn.access")]


def test_a_request_in_hand_is_in_every_line_until_it_ends(lines: Lines) -> None:
    bind_request(request_id="r1", trace_id="t1")
    get_logger("a").info("one")
    logging.getLogger("b").info("two")
    unbind_request()
    get_logger("a").info("three")
    assert [(line.get("request_id"), line.get("trace_id")) for line in lines()] == [("r1", "t1")] * 2 + [(None, None)]


def test_an_exception_is_in_its_line_and_shows_no_variables(lines: Lines) -> None:
    secret = "hunter2" * 3  # noqa: F841 - it must not show
    try:
        raise ValueError("postgresql://me:hunter2@db/x is down")
    except ValueError:
        get_logger("a").exception("failed")
    (line,) = lines()
    assert "ValueError: postgresql://me:[redacted]@db/x is down" in line["exception"]
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_never_written(log_format: Any) -> None:
    stream = io.StringIO()
    configure_logging("tester", log_format=log_format, stream=stream)
    log = get_logger("a").bind(api_key="s3cr3t-a")
    log.info(
        "login",
        password="s3cr3t-b",
        access_token="s3cr3t-c",
        headers={"Authorization": "Bearer s3cr3t-d", "Cookie": "s3cr3t-e", "x": ["mysql://u:s3cr3t-f@h/d"]},
        AWS_SECRET_ACCESS_KEY="s3cr3t-g",
        note="sent Bearer s3cr3t-hhhhhh",
    )
    logging.getLogger("b").info("with %s", "https://me:s3cr3t-i@host/")
    try:
        raise RuntimeError("redis://:s3cr3t-j@cache:6379")
    except RuntimeError:
        log.exception("failed")
    assert "s3cr3t" not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") >= 10


def test_names_that_only_look_like_secrets_are_left_alone() -> None:
    harmless = {"token_count": 5, "key": "a", "author": "ann", "primary_key": "id", "passing": True}
    assert redact(harmless) == harmless


def test_configuring_twice_writes_a_line_once() -> None:
    stream = io.StringIO()
    for _ in range(2):
        configure_logging("tester", log_format="json", stream=stream)
    get_logger("a").info("once")
    assert len(stream.getvalue().splitlines()) == 1
