"""Folding a stretch of the log into the states that it touches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.fraud.cards.events import Event, EventError, event_from_row
from components.fraud.cards.state import EntityState, apply
from feature_repo.fraud_online import CardStates, StateRow
from runtime.decision_log import LoggedEvent
from runtime.logs import get_logger

CARD_STREAM = "fraud-card"
"""The stream of card transactions and their labels."""

_log = get_logger(__name__)


@dataclass
class Touched:
    """States of the entities that some events concern, by id."""

    customers: dict[str, EntityState] = field(default_factory=dict)
    terminals: dict[str, EntityState] = field(default_factory=dict)

    @classmethod
    def read(cls, states: CardStates, events: Sequence[Event]) -> "Touched":
        """Load them from the store; an entity that it does not know begins empty.

        Raises:
            StateError: The store holds bytes that are no state of this code's layout.
            StateStoreUnavailableError: It did not answer.
        """
        customers = list(dict.fromkeys(event.customer_id for event in events))
        terminals = list(dict.fromkeys(event.terminal_id for event in events))
        found = states.read(customers, terminals)
        return cls(
            {one: _decoded(state) for one, state in zip(customers, found[0], strict=True)},
            {one: _decoded(state) for one, state in zip(terminals, found[1], strict=True)},
        )

    def fold(self, events: Sequence[Event]) -> None:
        """Apply events in order; each state skips those that it holds."""
        for event in events:
            apply(event, self.customers[event.customer_id], self.terminals[event.terminal_id])

    def write(self, states: CardStates) -> None:
        """Replace them in the store.

        Raises:
            StateStoreUnavailableError: It did not answer.
        """
        states.write(encoded(self.customers), encoded(self.terminals))


def readable(logged: Sequence[LoggedEvent]) -> list[Event]:
    """Card events of logged ones; what holds none is reported and left out, so that it stops nothing behind it."""
    events = []
    for one in logged:
        try:
            events.append(event_from_row({**one.body, "type": one.kind, "sequence": one.sequence}))
        except EventError as error:
            _log.error("an event of the log is no card event and is left out", sequence=one.sequence, reason=str(error))
    return events


def encoded(states: dict[str, EntityState]) -> dict[str, StateRow]:
    """Rows of the store."""
    return {one: (state.encode(), state.last_sequence) for one, state in states.items()}


def _decoded(state: bytes | None) -> EntityState:
    return EntityState.empty() if state is None else EntityState.decode(state)
