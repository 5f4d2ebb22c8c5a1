"""What happens to a card: a transaction, and later the label that says whether it was a fraud."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from feature_repo.fraud import LABEL_DELAY_US
from runtime.moments import microseconds, moment


class EventError(ValueError):
    """An event cannot be read; names the field, what it held and what it should hold."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A payment by a customer at a terminal; `sequence` is its place in the decision log, None before it has one."""

    customer_id: str
    terminal_id: str
    occurred_us: int
    """Microseconds since 1970, UTC."""
    amount_minor: int
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What became known about a transaction; all but the last three fields are those of the transaction."""

    customer_id: str
    terminal_id: str
    occurred_us: int
    amount_minor: int
    fraud: bool
    known_us: int
    """When it became known, microseconds since 1970, UTC."""
    sequence: int | None = None

    @property
    def counts_from_us(self) -> int:
        """When it enters the windows: as it becomes known, but not before the label's delay is over."""
        return max(self.occurred_us + LABEL_DELAY_US, self.known_us)


Event: TypeAlias = Transaction | Label


def event_from_row(row: Mapping[str, object]) -> Event:
    """Read one row of `recent`, or the body of a logged event that carries the same fields.

    Raises:
        EventError: A field is missing, has another type or another value than it may have.
    """
    kind = row.get("type")
    common = {
        "customer_id": _text(row, "customer_id"),
        "terminal_id": _text(row, "terminal_id"),
    }
    occurred, amount, sequence = _moment(row, "occurred_at"), _amount(row), _sequence(row)
    if kind == "transaction":
        return Transaction(**common, occurred_us=occurred, amount_minor=amount, sequence=sequence)
    if kind == "label":
        fraud = row.get("fraud")
        if not isinstance(fraud, (bool, int)) or fraud not in (0, 1):
            raise EventError(f"`fraud` of a label must be true or false, received {fraud!r}")
        known = _moment(row, "known_at")
        return Label(
            **common, occurred_us=occurred, amount_minor=amount, fraud=bool(fraud), known_us=known, sequence=sequence
        )
    raise EventError(f"`type` must be 'transaction' or 'label', received {kind!r}")


def row_from_event(event: Event) -> dict[str, object]:
    """The row of `recent` that `event_from_row` reads."""
    row: dict[str, object] = {
        "sequence": event.sequence,
        "type": "transaction",
        "occurred_at": moment_text(event.occurred_us),
        "customer_id": event.customer_id,
        "terminal_id": event.terminal_id,
        "amount_minor": event.amount_minor,
    }
    if isinstance(event, Label):
        row |= {"type": "label", "fraud": event.fraud, "known_at": moment_text(event.known_us)}
    return row


def moment_text(at_us: int) -> str:
    """RFC 3339 in UTC of microseconds since 1970."""
    return moment(at_us).isoformat()


def _moment(row: Mapping[str, object], name: str) -> int:
    value = row.get(name)
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise EventError(f"`{name}` must be an RFC 3339 time with its offset, received {value!r}")
    return microseconds(read)


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise EventError(f"`{name}` must be a text that is not empty, received {value!r}")
    return value


def _amount(row: Mapping[str, object]) -> int:
    value = row.get("amount_minor")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise EventError(f"`amount_minor` must be a whole number of minor units from 0, received {value!r}")
    return value


def _sequence(row: Mapping[str, object]) -> int | None:
    value = row.get("sequence")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise EventError(f"`sequence` must be a whole number or null, received {value!r}")
    return value
