"""What the platform has decided about, joined to a history: labels that were posted back feed the next training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.fraud.cards.table import TRANSACTION_SCHEMA
from feature_repo.fraud import LABEL_DELAY_SECONDS, LONGEST_HOURS
from runtime.decision_log import DecisionLog, LabelledEvent

STREAM = "fraud-card"
LONGEST_GAP = timedelta(hours=LONGEST_HOURS)
"""A history that ended longer before the first decision is another world's, such as a public set of years ago."""

_DELAY = timedelta(seconds=LABEL_DELAY_SECONDS)
_PAGE = 5_000


@dataclass(frozen=True)
class Lived:
    """How many decided transactions were joined, how many of them are known frauds, and why none were."""

    rows: int
    frauds: int
    left_out: str = ""


def join_lived(history: Path, log: DecisionLog, clock: datetime) -> Lived:
    """Add the log's card transactions to a `transactions` table, in its order; the table is replaced at the end.

    A label counts once it is as old as the delay. A transaction that nobody reported by then is taken for genuine, as
    everywhere in this trade; a younger one stays unknown. What the history holds already, by its id, is not added.

    Args:
        history: Parquet with `TRANSACTION_SCHEMA`; read whole.
        log: The decision log.
        clock: The moment that decides what is known.
    """
    table = pq.read_table(history, schema=TRANSACTION_SCHEMA)
    lived = pa.concat_tables([TRANSACTION_SCHEMA.empty_table(), *_tables(log, clock)])
    lived = lived.filter(pc.invert(pc.is_in(lived["transaction_id"], table["transaction_id"])))
    if not lived.num_rows:
        return Lived(0, 0, "the decision log holds no transaction of its own")
    ended, begins = pc.max(table["occurred_at"]).as_py(), pc.min(lived["occurred_at"]).as_py()
    if begins - ended > LONGEST_GAP:
        return Lived(0, 0, f"the history ends on {ended:%Y-%m-%d} and the log begins on {begins:%Y-%m-%d}")
    order = [("occurred_at", "ascending"), ("transaction_id", "ascending")]
    joined = history.with_name(history.name + ".joined")
    pq.write_table(pa.concat_tables([table, lived]).sort_by(order), joined)
    joined.replace(history)
    return Lived(lived.num_rows, pc.sum(lived["fraud"]).as_py() or 0)


def _tables(log: DecisionLog, clock: datetime) -> Iterator[pa.Table]:
    after = 0
    while page := log.decisions(STREAM, after, _PAGE):
        after = page[-1].event.sequence
        yield _table(page, clock)


def _table(page: Sequence[LabelledEvent], clock: datetime) -> pa.Table:
    rows = []
    for one in page:
        body = one.event.body
        occurred = datetime.fromisoformat(str(body["occurred_at"])).astimezone(UTC)
        fraud, known_at = _label(one, occurred, clock)
        rows.append(
            {
                "transaction_id": one.event.event_id,
                "occurred_at": occurred,
                "customer_id": body["customer_id"],
                "terminal_id": body["terminal_id"],
                "amount_minor": body["amount_minor"],
                "currency": body["currency"],
                "fraud": fraud,
                "label_known_at": known_at,
                "pattern": None,
            }
        )
    return pa.Table.from_pylist(rows, schema=TRANSACTION_SCHEMA)


def _label(one: LabelledEvent, occurred: datetime, clock: datetime) -> tuple[int | None, datetime | None]:
    """The label as a table holds it, and from when it speaks."""
    due = occurred + _DELAY
    if one.label is None:
        return (0, due) if due <= clock else (None, None)
    known_at = max(due, datetime.fromisoformat(str(one.label.body["known_at"])).astimezone(UTC))
    return (int(bool(one.label.body["fraud"])), known_at) if known_at <= clock else (None, None)
