"""Card transactions of known truth with what a policy needs to decide them: from a table, or from the decision log."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.fraud.costs import DECISIONS
from feature_repo.fraud import CARD_FEATURE_NAMES
from runtime.moments import microseconds

if TYPE_CHECKING:
    from runtime.decision_log import DecisionLog, LabelledEvent

STREAM = "fraud-card"
DEFAULT_DAYS = 28
DAY_SECONDS = 86_400
_FIELDS = ("customer_id", "terminal_id", "amount_minor", "currency", "occurred_at")
_PAGE = 1_000


class BacktestError(ValueError):
    """There is nothing to decide again, or what was named cannot decide it."""


@dataclass(frozen=True)
class Cases:
    """n transactions whose truth is known, by time.

    Attributes:
        features: float32 [n, F], in the order of `CARD_FEATURE_NAMES`.
        fields: What rules see of each.
        fraud: bool [n].
        amount_minor: int64 [n].
        first: When the first happened.
        last: When the last did.
        decided: Codes of the decisions that were given, int8 [n]; None where nothing was decided.
    """

    features: npt.NDArray[np.float32]
    fields: Sequence[Mapping[str, object]]
    fraud: npt.NDArray[np.bool_]
    amount_minor: npt.NDArray[np.int64]
    first: datetime
    last: datetime
    decided: npt.NDArray[np.int8] | None = None

    @property
    def days(self) -> float:
        """Days that they span, at least one."""
        return max((self.last - self.first).total_seconds() / DAY_SECONDS, 1.0)


def cases_from_table(table: Path, since: datetime | None) -> Cases:
    """Read the labelled rows of a `transactions` or card feature table, features computed where it has none.

    Args:
        table: Parquet.
        since: Only rows from then on; None: the 28 days before the newest row that is known to be genuine.

    Raises:
        BacktestError: No labelled row is left.
    """
    import pyarrow.parquet as pq

    if set(CARD_FEATURE_NAMES) <= set(pq.read_schema(table).names):
        return _featured(table, since)

    from components.fraud.cards.history import build_history

    with TemporaryDirectory(prefix="backtest-") as scratch:
        features = Path(scratch) / "features.parquet"
        build_history(table, features)
        return _featured(features, since)


def cases_from_log(log: "DecisionLog", since: datetime | None) -> Cases:
    """Read the decisions of the log that have a label, with the very features that they were made with.

    Raises:
        BacktestError: No decision has a label, or none was made with this code's features.
    """
    first_us = 0 if since is None else microseconds(since)
    kept = [
        row for page in _pages(log) for row in page if row.label is not None and row.event.occurred_at_us >= first_us
    ]
    features, fields, fraud, amounts, decided = [], [], [], [], []
    for row in kept:
        made, label = row.event.decision or {}, row.label
        values = made.get("features")
        if label is None or not isinstance(values, Mapping) or set(values) != set(CARD_FEATURE_NAMES):
            continue
        features.append([np.nan if values[name] is None else float(values[name]) for name in CARD_FEATURE_NAMES])
        fields.append({name: row.event.body.get(name) for name in _FIELDS})
        fraud.append(bool(label.body.get("fraud")))
        amounts.append(int(str(row.event.body["amount_minor"])))
        decided.append(DECISIONS.index(str(made["decision"])))
    if not fields:
        raise BacktestError(
            f"the decision log holds {len(kept)} labelled decisions of {STREAM}, and none with this code's features; "
            "send labels to POST /api/v1/fraud/feedback, or name a table with --data PATH"
        )
    times = sorted(datetime.fromisoformat(str(one["occurred_at"])) for one in fields)
    return Cases(
        features=np.asarray(features, dtype=np.float32),
        fields=fields,
        fraud=np.asarray(fraud),
        amount_minor=np.asarray(amounts, dtype=np.int64),
        first=times[0],
        last=times[-1],
        decided=np.asarray(decided, dtype=np.int8),
    )


def _featured(table: Path, since: datetime | None) -> Cases:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    source = ds.dataset(table)
    labelled = pc.field("fraud").is_valid()
    if since is None:
        genuine = source.to_table(columns=["occurred_at"], filter=pc.field("fraud") == 0)["occurred_at"]
        newest = pc.max(genuine).as_py()
        if newest is None:
            raise BacktestError(f"{table} holds no transaction that is known to be genuine; labels are needed")
        since = newest - timedelta(days=DEFAULT_DAYS)
        labelled = labelled & (pc.field("occurred_at") <= pc.scalar(newest))
    rows = source.to_table(
        columns=[*_FIELDS, "fraud", *CARD_FEATURE_NAMES], filter=labelled & (pc.field("occurred_at") >= since)
    )
    if not len(rows):
        raise BacktestError(f"{table} holds no labelled transaction from {since} on; name an earlier --since")
    times = pc.min_max(rows["occurred_at"]).as_py()
    return Cases(
        features=np.column_stack([rows[name].to_numpy() for name in CARD_FEATURE_NAMES]).astype(np.float32),
        fields=rows.select(list(_FIELDS)).to_pylist(),
        fraud=rows["fraud"].to_numpy() == 1,
        amount_minor=rows["amount_minor"].to_numpy(),
        first=times["min"],
        last=times["max"],
    )


def _pages(log: "DecisionLog") -> "Iterator[Sequence[LabelledEvent]]":
    after = 0
    while page := log.decisions(STREAM, after, _PAGE):
        yield page
        after = page[-1].event.sequence
