"""The rows that are scored: one slice of a table in memory, with what scores, blocks and losses need of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.fraud.evaluation.errors import EvaluationError
from runtime.bootstrap import time_blocks

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

DAY_SECONDS = 86_400
LONG_BLOCK_DAYS = 7
MIN_LONG_BLOCKS = 10
PATTERNS = ("pattern", "attack_class")
NO_PATTERN = ("", "normal")
BATCH_ROWS = 131_072

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
TimeArray = npt.NDArray[np.datetime64]
ObjectArray = npt.NDArray[np.object_]


@dataclass(frozen=True)
class ScoredRows:
    """n rows of known truth, in the table's order.

    Attributes:
        features: float32 [n, F].
        fraud: bool [n].
        keys: [n], the table's own row ids.
        ds: datetime64[us] [n]; for a table without time a day for each group, so that blocks of time are groups.
        pattern: [n], the kind of fraud, empty for genuine rows and where the table knows no kinds.
        amount_minor: int64 [n], or None.
        customer: int64 [n], numbers of customers, or None.
        compromised_at: datetime64[us] [n], when a fraud of the row's customer was first known, NaT for never; or None.
        block_seconds: Length of a bootstrap block in terms of `ds`.
    """

    features: Float32Array
    fraud: BoolArray
    keys: ObjectArray
    ds: TimeArray
    pattern: ObjectArray
    amount_minor: npt.NDArray[np.int64] | None
    customer: npt.NDArray[np.int64] | None
    compromised_at: TimeArray | None
    block_seconds: int

    @property
    def blocks(self) -> npt.NDArray[np.int64]:
        """int64 [n], the bootstrap block of each row."""
        return time_blocks(self.ds, self.block_seconds)

    @property
    def has_time(self) -> bool:
        """Whether `ds` is a time, and not a group in disguise."""
        return self.customer is not None


def read_rows(table: Path, mask: BoolArray, feature_names: tuple[str, ...]) -> ScoredRows:
    """Read the rows of a card feature, flow or account table that `mask` [rows] names; rows of unknown truth stay out.

    Raises:
        EvaluationError: The table lacks a column, its rows are not the mask's, or no row is left.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(table) as file:
        found = file.schema_arrow.names
        cards = "occurred_at" in found
        extra = ["transaction_id", "occurred_at", "customer_id", "amount_minor"] if cards else ["row_id", "group"]
        missing = [name for name in (*extra, "fraud", *feature_names) if name not in found]
        if missing:
            raise EvaluationError(f"{table} lacks the columns {', '.join(missing[:5])}; build the features again")
        if file.metadata.num_rows != len(mask):
            raise EvaluationError(
                f"the split is of {len(mask)} rows, {table} has {file.metadata.num_rows}; split again"
            )
        pattern = next((name for name in PATTERNS if name in found), None)
        names = [*extra, "fraud", *([pattern] if pattern else []), *feature_names]
        rows = _selected(file, mask, names)
    if not len(rows):
        raise EvaluationError(f"no row of {table} with a known label is in the slice; bring more history")
    features = np.column_stack([rows[name].to_numpy() for name in feature_names]).astype(np.float32, copy=False)
    fraud = rows["fraud"].to_numpy() == 1
    kinds = _kinds(rows, pattern, fraud)
    if not cards:
        return _grouped(rows, features, fraud, kinds)
    return _timed(table, rows, features, fraud, kinds)


def _selected(file: "pq.ParquetFile", mask: BoolArray, names: list[str]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    kept, start = [], 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names):
        own = mask[start : start + len(batch)]
        start += len(batch)
        if own.any():
            kept.append(batch.filter(pc.and_(pa.array(own), pc.is_valid(batch["fraud"]))))
    schema = pa.schema([file.schema_arrow.field(name) for name in names])
    return pa.Table.from_batches(kept, schema.remove_metadata()) if kept else schema.empty_table()


def _kinds(rows: "pa.Table", pattern: str | None, fraud: BoolArray) -> ObjectArray:
    if pattern is None:
        return np.full(len(rows), "", dtype=object)
    given = rows[pattern].fill_null("").to_numpy(zero_copy_only=False).astype(object)
    return np.where(fraud & ~np.isin(given, NO_PATTERN), given, "")


def _grouped(rows: "pa.Table", features: Float32Array, fraud: BoolArray, kinds: ObjectArray) -> ScoredRows:
    _, groups = np.unique(rows["group"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    return ScoredRows(
        features=features,
        fraud=fraud,
        keys=rows["row_id"].to_numpy(zero_copy_only=False),
        ds=np.datetime64(0, "us") + groups.astype("timedelta64[D]").astype("timedelta64[us]"),
        pattern=kinds,
        amount_minor=None,
        customer=None,
        compromised_at=None,
        block_seconds=DAY_SECONDS,
    )


def _timed(table: Path, rows: "pa.Table", features: Float32Array, fraud: BoolArray, kinds: ObjectArray) -> ScoredRows:
    ds = rows["occurred_at"].to_numpy().astype("datetime64[us]")
    days = int((ds.max() - ds.min()) / np.timedelta64(1, "D"))
    long_enough = days >= MIN_LONG_BLOCKS * LONG_BLOCK_DAYS
    names, customer = np.unique(rows["customer_id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    return ScoredRows(
        features=features,
        fraud=fraud,
        keys=rows["transaction_id"].to_numpy(zero_copy_only=False),
        ds=ds,
        pattern=kinds,
        amount_minor=rows["amount_minor"].to_numpy(),
        customer=customer.astype(np.int64),
        compromised_at=_compromised_at(table, names)[customer],
        block_seconds=DAY_SECONDS * (LONG_BLOCK_DAYS if long_enough else 1),
    )


def _compromised_at(table: Path, customers: "npt.NDArray[np.str_]") -> TimeArray:
    """When the first fraud of each customer became known, over the whole table; NaT for never."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["customer_id", "label_known_at"]
    frauds = pq.read_table(table, columns=columns, filters=(pc.field("fraud") == 1) & pc.field(columns[1]).is_valid())
    first = frauds.group_by("customer_id").aggregate([("label_known_at", "min")])
    known = np.full(len(customers), np.datetime64("NaT"), dtype="datetime64[us]")
    ids = first["customer_id"].to_numpy(zero_copy_only=False).astype(str)
    inside = np.isin(ids, customers)
    known[np.searchsorted(customers, ids[inside])] = first["label_known_at_min"].to_numpy()[inside]
    return known
