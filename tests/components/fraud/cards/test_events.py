from datetime import UTC, datetime

import pytest

from components.fraud.cards.events import Event, EventError, Label, Transaction, event_from_row, row_from_event
from feature_repo.fraud import LABEL_DELAY_US
from runtime.moments import microseconds as us

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PAID = {
    "type": "transaction",
    "occurred_at": "2026-03-01T13:00:00.123456+01:00",
    "customer_id": "C1",
    "terminal_id": "M1",
    "amount_minor": 1999,
    "sequence": 7,
}


def test_a_row_keeps_its_moment_to_the_microsecond_whatever_its_offset() -> None:
    assert event_from_row(PAID) == Transaction("C1", "M1", us(NOON), 1999, 7)


@pytest.mark.parametrize(
    "event",
    [
        Transaction("C1", "M1", us(NOON), 0),
        Transaction("C1", "M1", us(NOON), 1999, 7),
        Label("C1", "M1", us(NOON), 1999, True, us(NOON) + 5, 8),
        Label("C1", "M1", us(NOON), 1999, False, us(NOON) + 5),
    ],
)
def test_an_event_survives_the_wire(event: Event) -> None:
    assert event_from_row(row_from_event(event)) == event


def test_a_label_counts_after_its_delay_or_when_it_is_known() -> None:
    early = Label("C1", "M1", 0, 1, True, 5)
    late = Label("C1", "M1", 0, 1, True, LABEL_DELAY_US + 5)
    assert (early.counts_from_us, late.counts_from_us) == (LABEL_DELAY_US, LABEL_DELAY_US + 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "refund"}, "`type` must be 'transaction' or 'label', received 'refund'"),
        ({"occurred_at": "2026-03-01T13:00:00"}, "`occurred_at` must be an RFC 3339 time with its offset"),
        ({"occurred_at": "yesterday"}, "`occurred_at` .* received 'yesterday'"),
        ({"customer_id": ""}, "`customer_id` must be a text"),
        ({"amount_minor": -1}, "`amount_minor` .* received -1"),
        ({"amount_minor": True}, "`amount_minor` .* received True"),
        ({"amount_minor": 19.99}, "`amount_minor` .* received 19.99"),
        ({"sequence": "7"}, "`sequence` .* received '7'"),
        ({"type": "label", "fraud": None}, "`fraud` of a label must be true or false"),
        ({"type": "label", "fraud": True}, "`known_at` must be an RFC 3339 time"),
    ],
)
def test_a_row_that_is_no_event_is_refused_by_its_field(change: dict[str, object], message: str) -> None:
    with pytest.raises(EventError, match=message):
        event_from_row({**PAID, **change})
