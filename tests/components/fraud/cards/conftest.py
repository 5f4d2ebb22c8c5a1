from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.events import Label, Transaction
from components.fraud.cards.state import EntityState, apply, card_features
from components.fraud.cards.table import TRANSACTION_SCHEMA
from feature_repo.fraud import CARD_FEATURE_NAMES

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A transaction and, where `known_us` is set, when its label became known."""

    transaction_id: str
    occurred_us: int
    customer_id: str
    terminal_id: str
    amount_minor: int
    fraud: bool | None = None
    known_us: int | None = None


def write_rows(path: Path, rows: Sequence[Row], row_group_size: int = 1000) -> Path:
    """The rows as a transactions table, in the order given."""

    def moment(us: int | None) -> datetime | None:
        return None if us is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)

    table = pa.Table.from_pylist(
        [
            {
                "transaction_id": row.transaction_id,
                "occurred_at": moment(row.occurred_us),
                "customer_id": row.customer_id,
                "terminal_id": row.terminal_id,
                "amount_minor": row.amount_minor,
                "currency": "EUR",
                "fraud": None if row.fraud is None else int(row.fraud),
                "label_known_at": moment(row.known_us),
                "pattern": "",
            }
            for row in rows
        ],
        schema=TRANSACTION_SCHEMA,
    )
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def stream(rows: Sequence[Row], until_us: int | None = None) -> tuple[np.ndarray, dict[tuple[str, str], EntityState]]:
    """Features `[N, F]` and last states of sorted rows that come one by one, each label as it becomes known."""
    events = [(row.occurred_us, 1, index) for index, row in enumerate(rows)]
    events += [(row.known_us, 0, i) for i, row in enumerate(rows) if row.known_us is not None and row.fraud is not None]
    states: dict[tuple[str, str], EntityState] = {}
    features = np.full((len(rows), len(CARD_FEATURE_NAMES)), np.nan, dtype=np.float32)
    for sequence, (at, kind, index) in enumerate(sorted(events)):
        if until_us is not None and at > until_us:
            break
        row = rows[index]
        customer = states.setdefault(("customer", row.customer_id), EntityState.empty())
        terminal = states.setdefault(("terminal", row.terminal_id), EntityState.empty())
        event: Transaction | Label
        if kind:
            event = Transaction(row.customer_id, row.terminal_id, row.occurred_us, row.amount_minor, sequence)
            features[index] = card_features(event, customer, terminal)
        else:
            assert row.known_us is not None
            event = Label(
                row.customer_id, row.terminal_id, row.occurred_us, row.amount_minor, bool(row.fraud), at, sequence
            )
        apply(event, customer, terminal)
    return features, states


@pytest.fixture
def transactions_file(tmp_path: Path) -> Callable[[Sequence[Row]], Path]:
    """Factory of a transactions table."""
    return lambda rows: write_rows(tmp_path / "transactions.parquet", rows)
