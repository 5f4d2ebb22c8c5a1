from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.events import Event, Label, Transaction, event_from_row, row_from_event
from components.fraud.cards.state import EntityState, apply
from components.fraud.cards.table import TRANSACTION_SCHEMA
from feature_repo.fraud_online import FeastCardStates
from feature_repo.store import apply as register
from feature_repo.store import open_store
from runtime.decision_log import LoggedEvent, NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog
from runtime.moments import microseconds
from runtime.settings import runtime_settings

STREAM = "fraud-card"
START_US = microseconds(datetime(2026, 3, 1, tzinfo=UTC))
DAY_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class Happening:
    """One event of the world: what the log gets, and when."""

    at_us: int
    new: NewEvent
    event: Event


class World:
    """Customers, terminals, transactions and labels, drawn with a seed; labels come seven to twelve days late."""

    def __init__(self, transactions: int, days: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        at = np.sort(START_US + random.integers(0, days * DAY_US, transactions))
        at[1::7] = at[::7][: len(at[1::7])]  # some happen in the same microsecond
        self.rows = []
        for number, occurred_us in enumerate(np.sort(at)):
            known_us = int(occurred_us + random.integers(1 * DAY_US, 12 * DAY_US))
            fraud = bool(random.random() < 0.3)
            self.rows.append(
                {
                    "transaction_id": f"t{number:05d}",
                    "occurred_us": int(occurred_us),
                    "customer_id": f"C{random.integers(5)}",
                    "terminal_id": f"C{random.integers(4)}",  # the two kinds share ids
                    "amount_minor": int(random.integers(0, 100_000)),
                    "fraud": fraud,
                    "known_us": known_us,
                }
            )

    def happenings(self) -> list[Happening]:
        """Everything in the order in which it comes to the log."""
        found = [self._transaction(row) for row in self.rows] + [self._label(row) for row in self.rows]
        return sorted(found, key=lambda one: (one.at_us, one.new.event_id))

    def write_table(self, path: Path) -> Path:
        """The `transactions` table of the whole world."""
        columns = {
            "transaction_id": [row["transaction_id"] for row in self.rows],
            "occurred_at": [row["occurred_us"] for row in self.rows],
            "customer_id": [row["customer_id"] for row in self.rows],
            "terminal_id": [row["terminal_id"] for row in self.rows],
            "amount_minor": [row["amount_minor"] for row in self.rows],
            "currency": ["EUR"] * len(self.rows),
            "fraud": [int(row["fraud"]) for row in self.rows],
            "label_known_at": [row["known_us"] for row in self.rows],
            "pattern": [""] * len(self.rows),
        }
        table = pa.table(
            [pa.array(columns[field.name]).cast(field.type) for field in TRANSACTION_SCHEMA], schema=TRANSACTION_SCHEMA
        )
        pq.write_table(table, path)
        return path

    def _transaction(self, row: dict) -> Happening:
        event = Transaction(row["customer_id"], row["terminal_id"], row["occurred_us"], row["amount_minor"])
        return Happening(row["occurred_us"], _new(event, row["transaction_id"], None), event)

    def _label(self, row: dict) -> Happening:
        event = Label(
            row["customer_id"],
            row["terminal_id"],
            row["occurred_us"],
            row["amount_minor"],
            row["fraud"],
            row["known_us"],
        )
        return Happening(row["known_us"], _new(event, f"label:{row['transaction_id']}", row["transaction_id"]), event)


def _new(event: Event, event_id: str, subject_id: str | None) -> NewEvent:
    row = row_from_event(event)
    body = {name: value for name, value in row.items() if name not in ("sequence", "type")}
    return NewEvent(
        stream=STREAM,
        kind="transaction" if subject_id is None else "label",
        event_id=event_id,
        keys=(("customer", event.customer_id), ("terminal", event.terminal_id)),
        occurred_at_us=event.occurred_us,
        body=body,
        caller="ann",
        idempotency_key=None,
        request_digest=event_id,
        decision={"id": f"d-{event_id}"} if subject_id is None else None,
        subject_id=subject_id,
    )


def _folded(events: list[LoggedEvent]) -> dict[tuple[str, str], bytes]:
    """States after logged events, folded here and now, by kind and id."""
    states: dict[tuple[str, str], EntityState] = {}
    for one in events:
        event = event_from_row({**one.body, "type": one.kind, "sequence": one.sequence})
        pair = [
            states.setdefault(key, EntityState.empty())
            for key in (("customer", event.customer_id), ("terminal", event.terminal_id))
        ]
        apply(event, *pair)
    return {key: state.encode() for key, state in states.items()}


def _stored(states: FeastCardStates) -> dict[tuple[str, str], bytes]:
    """What the store holds of a world's entities, by kind and id."""
    names = [f"C{number}" for number in range(5)]
    customers, terminals = states.read(names, names[:4])
    found = {("customer", one): state for one, state in zip(names, customers, strict=True)}
    found |= {("terminal", one): state for one, state in zip(names[:4], terminals, strict=True)}
    return {key: state for key, state in found.items() if state is not None}


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder."""
    for name in ("FEAST_FS_YAML_FILE_PATH", "AIO_FEAST_PROFILE", "AIO_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    runtime_settings.cache_clear()
    yield tmp_path / "state"
    runtime_settings.cache_clear()


@pytest.fixture
def states(state_dir: Path) -> FeastCardStates:
    register(open_store())
    return FeastCardStates()


@pytest.fixture
def log(state_dir: Path) -> Iterator[SqlDecisionLog]:
    opened = SqlDecisionLog(f"sqlite:///{state_dir / 'decisions.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def world() -> World:
    return World(transactions=160, days=50, seed=5)


@pytest.fixture(scope="session")
def folded() -> Callable[[list[LoggedEvent]], dict[tuple[str, str], bytes]]:
    """A function that folds logged events here and now: states by kind and id."""
    return _folded


@pytest.fixture(scope="session")
def stored() -> Callable[[FeastCardStates], dict[tuple[str, str], bytes]]:
    """A function that reads all states of a world from the store, by kind and id."""
    return _stored
