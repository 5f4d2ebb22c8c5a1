import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tracing import bind, continue_or_begin, current_trace, new_trace, outgoing_headers, parse

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_callers_trace_goes_on_under_a_new_span() -> None:
    ours = continue_or_begin(CALLER, "vendor=1")
    assert ours.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert ours.span_id != "b7ad6b7169203331"
    assert (ours.sampled, ours.tracestate) == (True, "vendor=1")


@given(sampled=st.booleans())
def test_what_is_written_is_read_back(sampled: bool) -> None:
    begun = new_trace()
    header = begun.traceparent if sampled else begun.traceparent[:-2] + "00"
    read = parse(header)
    assert read is not None
    assert (read.trace_id, read.span_id, read.sampled, read.traceparent) == (
        begun.trace_id,
        begun.span_id,
        sampled,
        header,
    )


def test_a_later_version_with_more_fields_is_understood() -> None:
    read = parse("cc-" + CALLER[3:] + "-what-the-future-brings")
    assert read is not None
    assert read.traceparent == CALLER


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        CALLER.upper(),
        CALLER + "-more",
        "ff" + CALLER[2:],
        CALLER.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        CALLER.replace("b7ad6b7169203331", "0" * 16),
        CALLER[:-1],
        CALLER + "\r\nX-Evil: 1",
    ],
)
def test_a_malformed_header_begins_a_new_trace(header: str) -> None:
    assert parse(header) is None
    begun = continue_or_begin(header)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", begun.traceparent)
    assert begun.trace_id not in CALLER


def test_calls_to_others_carry_the_trace_and_the_request_id() -> None:
    trace = continue_or_begin(CALLER, "vendor=1")
    bind(trace, "r1")
    try:
        headers = outgoing_headers()
        assert headers["X-Request-ID"] == "r1"
        assert headers["tracestate"] == "vendor=1"
        sent = parse(headers["traceparent"])
        assert sent is not None
        assert (sent.trace_id, sent.span_id != trace.span_id) == (trace.trace_id, True)
    finally:
        bind(None)
    assert (outgoing_headers(), current_trace()) == ({}, None)
