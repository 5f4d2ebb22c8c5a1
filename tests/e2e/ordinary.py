"""Payments that a customer of the simulated town would make any day."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

_RECENT = timedelta(days=45)
_ENOUGH = 20
"""Payments that make a habit."""


def ordinary_payments(state: Path) -> Iterator[dict[str, object]]:
    """The median amount of one customer after the other at the terminal where the customer pays most.

    Neither the customer nor the terminal was met by a fraud of late. Who that is changes with the day, as the town's
    history ends where its simulation ran.
    """
    tables = (state / "pipelines" / "fraud-detection").glob("**/prepare-data/table")
    payments = pq.read_table(max(tables, key=lambda table: table.stat().st_mtime)).to_pandas()
    payments = payments[payments.occurred_at > payments.occurred_at.max() - _RECENT]
    frauds = payments[payments.pattern != ""]
    calm = payments[~payments.customer_id.isin(frauds.customer_id) & ~payments.terminal_id.isin(frauds.terminal_id)]
    for customer, made in calm.groupby("customer_id"):
        if len(made) >= _ENOUGH:
            yield {
                "customer_id": customer,
                "terminal_id": made.terminal_id.mode()[0],
                "amount_minor": int(made.amount_minor.median()),
            }
