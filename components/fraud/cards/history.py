"""Card features of a whole table in flat memory, and the states at its end: the vectorised twin of the fold."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.fraud.cards.buckets import partition_states
from components.fraud.cards.derive import customer_block, row_block, terminal_block
from components.fraud.cards.partitions import Gather, Scatter
from components.fraud.cards.prefix import history_totals
from components.fraud.cards.state import EntityState
from components.fraud.cards.table import (
    TRANSACTION_SCHEMA,
    OrderCheck,
    TransactionsError,
    counts_from_us,
    epoch_us,
    read_batches,
)
from feature_repo.fraud import (
    CARD_FEATURE_NAMES,
    CUSTOMER_FEATURES,
    TERMINAL_FEATURES,
    card_feature_digest,
)
from runtime.moments import microseconds

DIGEST_KEY = b"feature_digest"
"""Key in the file's schema metadata under which the digest of its definitions stands."""

PARTITION_ROWS = 250_000
"""Rows of one partition on average; an entity with more rows than that still lies in one."""

CHUNK_ROWS = 125_000
"""Rows that are put together and written at a time."""

EntityKind: TypeAlias = Literal["customer", "terminal"]
_KINDS: tuple[EntityKind, EntityKind] = ("customer", "terminal")
_BLOCKS = {"customer": customer_block, "terminal": terminal_block}
_WIDTHS = {"customer": len(CUSTOMER_FEATURES), "terminal": len(TERMINAL_FEATURES)}

CARD_FEATURES_SCHEMA = pa.schema([*TRANSACTION_SCHEMA, *(pa.field(name, pa.float32()) for name in CARD_FEATURE_NAMES)])


class OtherDefinitionsError(ValueError):
    """A feature file was built by other feature definitions than this code's."""


@dataclass(frozen=True)
class HistoryReport:
    """What was built from what; `frauds` counts the rows known to be one."""

    rows: int
    frauds: int
    feature_digest: str
    seconds: float


def build_history(
    transactions: Path, output: Path, *, partition_rows: int = PARTITION_ROWS, chunk_rows: int = CHUNK_ROWS
) -> HistoryReport:
    """Compute the card features of a table and write them whole or not at all.

    The rows go to disk by customer and by terminal, features are computed a partition at a time and put together a
    chunk at a time: memory depends on the two sizes, not on the table. Temporary files, about 350 bytes a row, lie
    beside the output.

    Args:
        transactions: Parquet, the `transactions` table.
        output: Where the `card features` table goes; replaced if it exists.
        partition_rows: Rows of a partition on average.
        chunk_rows: Rows of a chunk, and of a row group of the output.

    Raises:
        TransactionsError: The table is empty, not sorted, or holds a value that no transaction has.
    """
    started = time.perf_counter()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".history-") as name:
        folder = Path(name)
        scatters = _scatter(transactions, folder, partition_rows)
        rows = pq.ParquetFile(transactions).metadata.num_rows
        gathers = {kind: _features(kind, scatters[kind], folder, rows, chunk_rows) for kind in _KINDS}
        partial = folder / "features.parquet"
        frauds = _write(transactions, gathers, partial, chunk_rows)
        partial.replace(output)
    return HistoryReport(rows, frauds, card_feature_digest(), time.perf_counter() - started)


def final_states(
    transactions: Path, at: datetime, *, partition_rows: int = PARTITION_ROWS
) -> Iterator[tuple[EntityKind, str, EntityState]]:
    """The state of each customer and each terminal at a moment, as the fold over all earlier events leaves it.

    Transactions up to and including `at` count, and labels that were known by then. `last_sequence` is -1.

    Raises:
        TransactionsError: As for `build_history`.
    """
    at_us = microseconds(at)
    with tempfile.TemporaryDirectory(prefix="fraud-states-") as name:
        for kind, scatter in _scatter(transactions, Path(name), partition_rows).items():
            for partition in scatter.partitions():
                yield from ((kind, entity, state) for entity, state in partition_states(partition, at_us))


def read_card_features(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a file that `build_history` wrote, or some of its columns.

    Raises:
        OtherDefinitionsError: Other definitions built it.
    """
    found = (pq.read_schema(path).metadata or {}).get(DIGEST_KEY, b"none").decode()
    if found != card_feature_digest():
        raise OtherDefinitionsError(
            f"{path} was built by card feature definitions {found}, and this code has {card_feature_digest()}; "
            "build the features again"
        )
    return pq.read_table(path, columns=columns)


def _scatter(transactions: Path, folder: Path, partition_rows: int) -> dict[EntityKind, Scatter]:
    rows = pq.ParquetFile(transactions).metadata.num_rows
    if not rows:
        raise TransactionsError(f"{transactions} holds no transaction; simulate or load some first")
    partitions, check, first = -(-rows // partition_rows), OrderCheck(transactions), 0
    with ExitStack() as stack:
        scatters = {kind: Scatter(folder, f"{kind}_id", partitions, stack) for kind in _KINDS}
        for batch in read_batches(transactions):
            check.feed(batch)
            for scatter in scatters.values():
                scatter.feed(batch, first)
            first += batch.num_rows
    return scatters


def _features(kind: EntityKind, scatter: Scatter, folder: Path, rows: int, chunk_rows: int) -> Gather:
    with ExitStack() as stack:
        gather = Gather(folder, kind, rows, chunk_rows, _WIDTHS[kind], stack)
        for part in scatter.partitions():
            label_us = counts_from_us(part.occurred_us, part.fraud_known_us)
            totals = history_totals(part.entity, part.occurred_us, part.amount_minor, label_us)
            gather.put(part.row, _BLOCKS[kind](totals, part.amount_minor))
    return gather


def _write(transactions: Path, gathers: dict[EntityKind, Gather], path: Path, chunk_rows: int) -> int:
    schema = CARD_FEATURES_SCHEMA.with_metadata({DIGEST_KEY: card_feature_digest().encode()})
    frauds = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for index, chunk in enumerate(_chunks(transactions, chunk_rows)):
            known = chunk["fraud"].fill_null(0).to_numpy()
            frauds += int(known.sum())
            at, amount = epoch_us(chunk["occurred_at"].combine_chunks()), chunk["amount_minor"].to_numpy()
            blocks = [row_block(at, amount), *(gathers[kind].chunk(index) for kind in _KINDS)]
            values = [pa.array(np.ascontiguousarray(column)) for block in blocks for column in block.T]
            writer.write_table(pa.table([*chunk.columns, *values], schema=schema), row_group_size=chunk_rows)
    return frauds


def _chunks(transactions: Path, chunk_rows: int) -> Iterator[pa.Table]:
    """The table again in pieces of exactly `chunk_rows`, but for the last."""
    held, rows = [], 0
    for batch in read_batches(transactions, rows=min(chunk_rows, 65_536)):
        held.append(batch)
        rows += batch.num_rows
        while rows >= chunk_rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, chunk_rows)
            held = table.slice(chunk_rows).to_batches()
            rows -= chunk_rows
    if rows:
        yield pa.Table.from_batches(held)
