"""What a table of transactions, flows or accounts holds, in numbers, and the frames that expectations are put to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

KINDS = ("pattern", "attack_class")
DAY_SECONDS = 86_400


class ValidationError(ValueError):
    """The table cannot be read at all."""


@dataclass(frozen=True)
class KindCount:
    """Rows of one kind, as the table names kinds of fraud, in the whole table."""

    kind: str
    rows: int


@dataclass(frozen=True)
class TableStatistics:
    """Numbers of the whole table.

    Attributes:
        rows: All of them.
        labelled: Those whose truth is known.
        frauds: Those known to be frauds.
        entities: Customers of transactions, groups of others.
        first: When the first transaction happened; None for a table without time.
        last: When the last one did; None likewise.
        kinds: Kinds of fraud, most frequent first.
        rows_by_day: Transactions of each day from the first on; empty for a table without time.
        frauds_by_day: Frauds likewise.
    """

    rows: int
    labelled: int = 0
    frauds: int = 0
    entities: int = 0
    first: datetime | None = None
    last: datetime | None = None
    kinds: Sequence[KindCount] = ()
    rows_by_day: Sequence[int] = ()
    frauds_by_day: Sequence[int] = ()

    @property
    def fraud_share(self) -> float | None:
        """Frauds among labelled rows; None where nothing is labelled."""
        return self.frauds / self.labelled if self.labelled else None

    @property
    def history_days(self) -> float | None:
        """Days from the first transaction to the last."""
        if self.first is None or self.last is None:
            return None
        return (self.last - self.first).total_seconds() / DAY_SECONDS


def read_table(path: Path) -> "pa.Table":
    """Read a Parquet file, whatever its columns.

    Raises:
        ValidationError: There is no such file, or it is not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise ValidationError(f"cannot read {path}: {error}; expected a Parquet file") from error


def measure(table: "pa.Table") -> TableStatistics:
    """Measure a table whose columns and types are right."""
    import pyarrow.compute as pc

    labels = table["fraud"]
    counted = {
        "rows": len(table),
        "labelled": len(table) - labels.null_count,
        "frauds": pc.sum(pc.equal(labels, 1)).as_py() or 0,
    }
    kinds = next((_kinds(table, name) for name in KINDS if name in table.column_names), ())
    if "occurred_at" not in table.column_names:
        return TableStatistics(**counted, entities=pc.count_distinct(table["group"]).as_py(), kinds=kinds)
    rows_by_day, frauds_by_day = _by_day(table)
    ends = pc.min_max(table["occurred_at"]).as_py()
    return TableStatistics(
        **counted,
        entities=pc.count_distinct(table["customer_id"]).as_py(),
        first=ends["min"],
        last=ends["max"],
        kinds=kinds,
        rows_by_day=rows_by_day,
        frauds_by_day=frauds_by_day,
    )


def schema_frame(table: "pa.Table", names: Sequence[str]) -> "pd.DataFrame":
    """A row a column: `column`, `type`; of the columns in `names`, or of all where `names` is empty."""
    import pandas as pd

    chosen = [field for field in table.schema if not names or field.name in names]
    return pd.DataFrame({"column": [f.name for f in chosen], "type": [str(f.type) for f in chosen]})


def transaction_frame(table: "pa.Table", clock: datetime) -> "pd.DataFrame":
    """The transactions with what is checked of their times, in seconds.

    `age_seconds` before the clock, `step_seconds` after the row above, `label_delay_seconds` from the transaction to
    its label, `label_age_seconds` from the label to the clock, and `half_labelled`: one of truth and its time is there.
    """
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas()
    second, now = pd.Timedelta(seconds=1), pd.Timestamp(clock)
    occurred, known = pd.to_datetime(frame["occurred_at"], utc=True), pd.to_datetime(frame["label_known_at"], utc=True)
    return frame.assign(
        age_seconds=(now - occurred) / second,
        step_seconds=occurred.diff() / second,
        label_delay_seconds=(known - occurred) / second,
        label_age_seconds=(now - known) / second,
        half_labelled=(frame["fraud"].isna() != known.isna()).astype("int8"),
    )


def summary_frame(statistics: TableStatistics) -> "pd.DataFrame":
    """One row with what is checked of the table as a whole."""
    import pandas as pd

    return pd.DataFrame(
        {
            "table": ["all rows"],
            "frauds": [statistics.frauds],
            "fraud_share": pd.Series([statistics.fraud_share], dtype="float64"),
            "history_days": pd.Series([statistics.history_days], dtype="float64"),
        }
    )


def feature_frame(table: "pa.Table", names: Sequence[str]) -> "pd.DataFrame":
    """A row a feature: `feature`, `infinite` values and `missing` ones."""
    import pandas as pd
    import pyarrow.compute as pc

    found = []
    for name in names:
        column = table[name]
        infinite = pc.sum(pc.is_inf(column)).as_py() or 0
        missing = column.null_count + (pc.sum(pc.is_nan(column)).as_py() or 0)
        found.append({"feature": name, "infinite": infinite, "missing": missing})
    return pd.DataFrame(found, columns=["feature", "infinite", "missing"])


def _kinds(table: "pa.Table", column: str) -> tuple[KindCount, ...]:
    counted = [(item["values"], item["counts"]) for item in table[column].value_counts().to_pylist()]
    named = [KindCount(str(kind), int(rows)) for kind, rows in counted if kind]
    return tuple(sorted(named, key=lambda one: (-one.rows, one.kind)))


def _by_day(table: "pa.Table") -> tuple[tuple[int, ...], tuple[int, ...]]:
    import numpy as np
    import pyarrow.compute as pc

    timed = table.select(["occurred_at", "fraud"]).filter(pc.is_valid(table["occurred_at"]))
    if not len(timed):
        return (), ()
    day = timed["occurred_at"].to_numpy().astype("datetime64[D]").astype(np.int64)
    day -= day.min()
    frauds = timed["fraud"].fill_null(0).to_numpy() == 1
    return tuple(np.bincount(day).tolist()), tuple(np.bincount(day[frauds], minlength=int(day.max()) + 1).tolist())
