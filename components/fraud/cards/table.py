"""The transactions table: its schema, its checks, and reading it in pieces."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.fraud.cards.totals import NEVER, Integers
from feature_repo.fraud import LABEL_DELAY_US

TIMESTAMP = pa.timestamp("us", tz="UTC")

TRANSACTION_SCHEMA = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("occurred_at", TIMESTAMP, nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("amount_minor", pa.int64(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("fraud", pa.int8()),
        pa.field("label_known_at", TIMESTAMP),
        pa.field("pattern", pa.string()),
    ]
)
"""Sorted by `occurred_at, transaction_id`; `fraud` and `label_known_at` are null where nothing is known."""

BATCH_ROWS = 131_072


class TransactionsError(ValueError):
    """A file is no clean table of transactions; names the row and what is wrong with it."""


def read_batches(path: Path, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The table in its order, in pieces of at most `rows`, with the types of `TRANSACTION_SCHEMA`.

    Raises:
        TransactionsError: A column is missing or has a type that cannot be brought to the schema's.
    """
    schema = pa.schema([TRANSACTION_SCHEMA.field(name) for name in columns or TRANSACTION_SCHEMA.names])
    with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        missing = [name for name in schema.names if name not in file.schema_arrow.names]
        if missing:
            raise TransactionsError(f"{path} lacks {missing}; expected {TRANSACTION_SCHEMA.names}")
        for batch in file.iter_batches(rows, columns=schema.names, use_threads=False):
            try:
                yield batch.select(schema.names).cast(schema)
            except (pa.ArrowInvalid, ValueError) as error:
                raise TransactionsError(f"{path} cannot be read as transactions: {error}") from error


class OrderCheck:
    """Refuses rows that stand out of order, twice, or hold values that no transaction has; fed batch after batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = 0
        self._last: tuple[int, str] | None = None

    def feed(self, batch: pa.RecordBatch) -> None:
        """Check one batch with all columns of the schema.

        Raises:
            TransactionsError: Naming the first bad row.
        """
        if not batch.num_rows:
            return
        amount, fraud = batch["amount_minor"], batch["fraud"]
        self._refuse(pc.less(amount, 0), batch, "has a negative amount")
        self._refuse(
            pc.invert(pc.is_in(fraud, pa.array([0, 1, None], pa.int8()))), batch, "has a label that is not 0 or 1"
        )
        label_early = pc.less(batch["label_known_at"], batch["occurred_at"])
        self._refuse(pc.fill_null(label_early, False), batch, "has a label from before it happened")
        self._check_order(batch)
        self._rows += batch.num_rows

    def _check_order(self, batch: pa.RecordBatch) -> None:
        at, ids = epoch_us(batch["occurred_at"]), batch["transaction_id"]
        step = np.diff(at, prepend=at[:1] if self._last is None else self._last[0])
        tied = np.flatnonzero(step == 0)
        wrong = step < 0
        for row in tied[tied > 0] if len(tied) else tied:
            wrong[row] = ids[row].as_py() <= ids[row - 1].as_py()
        if self._last is not None and step[0] == 0:
            wrong[0] = ids[0].as_py() <= self._last[1]
        self._refuse(pa.array(wrong), batch, "does not come after the row before it by time and id")
        self._last = int(at[-1]), ids[-1].as_py()

    def _refuse(self, bad: pa.Array, batch: pa.RecordBatch, what: str) -> None:
        first = pc.index(bad, True).as_py()
        if first >= 0:
            row = batch.slice(first, 1).to_pylist()[0]
            raise TransactionsError(
                f"row {self._rows + first} of {self._path} {what}: {row['transaction_id']!r} at "
                f"{row['occurred_at'].isoformat()}, amount {row['amount_minor']}, fraud {row['fraud']}"
            )


def epoch_us(column: pa.Array) -> Integers:
    """Microseconds since 1970 `[N]`; null is `NEVER`."""
    values: Integers = pc.fill_null(column.cast(pa.int64()), NEVER).to_numpy(zero_copy_only=False)
    return values


def fraud_known_us(batch: pa.RecordBatch) -> Integers:
    """When each row became known to be a fraud `[N]`; `NEVER` where it is none or nobody knows it."""
    fraud = pc.fill_null(batch["fraud"], 0).to_numpy(zero_copy_only=False) == 1
    return np.where(fraud, epoch_us(batch["label_known_at"]), NEVER)


def counts_from_us(occurred_us: Integers, known_us: Integers) -> Integers:
    """When each fraud enters the windows `[N]`, as `Label.counts_from_us`; `NEVER` where it is not known."""
    return np.where(known_us != NEVER, np.maximum(occurred_us + LABEL_DELAY_US, known_us), NEVER)
