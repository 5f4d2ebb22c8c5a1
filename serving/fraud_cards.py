"""A card transaction of a request, the states it meets, and its features: nothing here waits for anything."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from components.fraud.cards.derive import customer_block, row_block, terminal_block
from components.fraud.cards.events import Event, EventError, Transaction, event_from_row
from components.fraud.cards.state import EntityState, apply
from components.fraud.cards.totals import WindowTotals
from components.fraud.detectors import Detector
from serving.errors import InvalidValueError
from serving.fraud_inputs import Record, Rows, check_fields

RECENT = "recent"


@dataclass(frozen=True, slots=True)
class CardRow:
    """One row: the transaction, and events of its customer or terminal that the states may lack, in order."""

    transaction: Transaction
    recent: Sequence[Event]


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state as it was read, shared by requests and so never changed; `data` is None where the store has none."""

    data: bytes | None
    state: EntityState

    def copy(self) -> EntityState:
        """One that may be changed."""
        return EntityState.empty() if self.data is None else EntityState.decode(self.data)


@dataclass(frozen=True, slots=True)
class RowStates:
    """The states that a row meets."""

    customer: StoredState
    terminal: StoredState


def read_row(detector: Detector, record: Record, row: int) -> CardRow:
    """Read a record; `occurred_at` is now where it is left out.

    Raises:
        InvalidValueError: A field or an event of `recent` is wrong; names the row and the place.
    """
    given = {name: value for name, value in record.items() if name != RECENT}
    check_fields(detector, given, row)
    recent = record.get(RECENT) or []
    if not isinstance(recent, list) or not all(isinstance(event, dict) for event in recent):
        raise InvalidValueError(f"'record' row {row}: /{RECENT} must be a list of events")
    given.setdefault("occurred_at", datetime.now(UTC).isoformat())
    place = ""
    try:
        transaction = event_from_row({**given, "type": "transaction", "sequence": None})
        events: list[Event] = []
        for number, event in enumerate(recent):
            place = f"/{RECENT}/{number}: "
            events.append(event_from_row(event))
    except (EventError, OverflowError) as error:
        raise InvalidValueError(f"'record' row {row}: {place}{error}") from error
    if not isinstance(transaction, Transaction):
        raise TypeError(f"expected a transaction, read {type(transaction).__name__}")
    for number, read in enumerate(events):
        if read.customer_id != transaction.customer_id and read.terminal_id != transaction.terminal_id:
            raise InvalidValueError(
                f"'record' row {row}: /{RECENT}/{number} is an event of neither its customer nor its terminal"
            )
    return CardRow(transaction, events)


def compute(rows: Sequence[CardRow], states: Sequence[RowStates]) -> tuple[Rows, NDArray[np.int64]]:
    """Features `[N, F]`, and the sequences `[N, 2]` that the stored states of customer and terminal held.

    The same bits as `card_features` row by row: windows are counted a row at a time, formulas run over all of them.
    """
    met = [_met(row, own) for row, own in zip(rows, states, strict=True)]
    at = np.array([row.transaction.occurred_us for row in rows])
    amount = np.array([row.transaction.amount_minor for row in rows])
    customers = _together([own.totals(row.transaction.occurred_us) for row, (own, _) in zip(rows, met, strict=True)])
    terminals = _together([here.totals(row.transaction.occurred_us) for row, (_, here) in zip(rows, met, strict=True)])
    blocks = (row_block(at, amount), customer_block(customers, amount), terminal_block(terminals, amount))
    sequences = [(own.customer.state.last_sequence, own.terminal.state.last_sequence) for own in states]
    return np.concatenate(blocks, axis=1), np.array(sequences, np.int64)


def _together(totals: Sequence[WindowTotals]) -> WindowTotals:
    if len(totals) == 1:
        return totals[0]
    return WindowTotals(*(np.concatenate([getattr(one, name.name) for one in totals]) for name in fields(WindowTotals)))


def _met(row: CardRow, states: RowStates) -> tuple[EntityState, EntityState]:
    """The states of customer and terminal as the transaction meets them, its own events applied."""
    transaction = row.transaction
    customer, terminal = states.customer.state, states.terminal.state
    for event in row.recent:
        own = event.customer_id == transaction.customer_id and _is_news(event, customer)
        here = event.terminal_id == transaction.terminal_id and _is_news(event, terminal)
        if own and customer is states.customer.state:
            customer = states.customer.copy()
        if here and terminal is states.terminal.state:
            terminal = states.terminal.copy()
        apply(event, customer if own else None, terminal if here else None)
    return customer, terminal


def _is_news(event: Event, state: EntityState) -> bool:
    return event.sequence is None or event.sequence > state.last_sequence
