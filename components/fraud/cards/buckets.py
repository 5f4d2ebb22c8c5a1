"""Entity states of a partition of history, counted at once instead of event by event."""

from collections.abc import Iterator

import numpy as np

from components.fraud.cards.bucket_table import Table
from components.fraud.cards.partitions import Partition
from components.fraud.cards.state import EntityState
from components.fraud.cards.table import counts_from_us
from components.fraud.cards.totals import NEVER, Integers
from feature_repo.fraud import AMOUNT_CAP_MINOR, HOUR_US, MINUTE_US


def partition_states(part: Partition, at_us: int) -> Iterator[tuple[str, EntityState]]:
    """Name and state at a moment of every entity that had a transaction by then.

    Args:
        part: Rows by entity, in time order within each.
        at_us: Transactions up to and including it count, and labels that were known by then.
    """
    seen = part.occurred_us <= at_us
    entity, at, amount = (
        part.entity[seen],
        part.occurred_us[seen],
        np.minimum(part.amount_minor[seen], AMOUNT_CAP_MINOR),
    )
    known = part.fraud_known_us[seen]
    frauds = np.flatnonzero((known != NEVER) & (known <= at_us))
    counted = counts_from_us(at[frauds], known[frauds]) // HOUR_US
    frauds, counted = _by_entity_and_bucket(frauds, entity[frauds], counted)
    owners = np.arange(len(part.names) + 1)
    hours = _Table(entity, at // HOUR_US, (amount, amount * amount), owners, largest=amount)
    minutes = _Table(entity, at // MINUTE_US, (amount,), owners)
    known_frauds = _Table(entity[frauds], counted, (amount[frauds],), owners)
    last = np.searchsorted(entity, owners)
    for index, name in enumerate(part.names):
        if last[index + 1] > last[index]:
            newest = int(at[last[index + 1] - 1])
            yield name, EntityState.of(hours.of(index), minutes.of(index), known_frauds.of(index), newest)


def _by_entity_and_bucket(rows: Integers, entity: Integers, bucket: Integers) -> tuple[Integers, Integers]:
    order = np.lexsort((bucket, entity))
    return rows[order], bucket[order]


class _Table:
    """Bucket tables of all entities side by side: bucket, count, sums and, where asked, the largest value."""

    def __init__(
        self,
        entity: Integers,
        bucket: Integers,
        sums: tuple[Integers, ...],
        owners: Integers,
        largest: Integers | None = None,
    ) -> None:
        change = (np.diff(entity, prepend=-1) != 0) | (np.diff(bucket, prepend=-1) != 0)
        starts = np.flatnonzero(change)
        rows = [bucket[starts], np.diff(starts, append=len(entity))]
        if len(starts):
            rows += [np.add.reduceat(values, starts) for values in sums]
            rows += [np.maximum.reduceat(largest, starts)] if largest is not None else []
        else:
            rows += [np.empty(0, dtype=np.int64)] * (len(sums) + (largest is not None))
        self._rows = np.array(rows)
        self._edges = np.searchsorted(entity[starts], owners)

    def of(self, index: int) -> Table:
        """The table of one entity."""
        return tuple(self._rows[:, self._edges[index] : self._edges[index + 1]].tolist())
