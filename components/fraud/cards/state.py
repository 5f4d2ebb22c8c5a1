"""What one customer or one terminal has done so far, in buckets: the fold over its events and the features from it."""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.fraud.cards.derive import customer_block, row_block, terminal_block
from components.fraud.cards.events import Event, Label, Transaction
from components.fraud.cards.totals import NEVER, Integers, WindowTotals
from feature_repo.fraud import (
    AMOUNT_CAP_MINOR,
    HOUR_US,
    LABEL_DELAY_HOURS,
    LONG_WINDOWS,
    LONGEST_HOURS,
    LONGEST_MINUTES,
    MINUTE_US,
    SHORT_WINDOWS,
)

LAYOUT_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BqqIII")
_HOURS: Final = ("<i4", "<i4", "<i8", "<i8", "<i4")
_PAIRS: Final = ("<i4", "<i4", "<i8")

_LONG: Final = np.array(tuple(LONG_WINDOWS.values()), dtype=np.int64)
_SHORT_EDGES: Final = np.array([1, *(1 - length for length in SHORT_WINDOWS.values())], dtype=np.int64)
_LONG_EDGES: Final = np.concatenate([[1], 1 - _LONG, [-LABEL_DELAY_HOURS], -LABEL_DELAY_HOURS - _LONG])
_FRAUD_EDGES: Final = np.concatenate([[0], -_LONG])


class StateError(ValueError):
    """Bytes are no entity state that this code can read."""


class EntityState:
    """One customer or one terminal; changed in place by `add_transaction` and `add_label`.

    Three tables of buckets, one column a bucket, ascending: hours (bucket, count, amount, squared amounts, largest),
    minutes (bucket, count, amount) and frauds by the hour they count from (bucket, count, amount). Buckets that no
    window at or after the newest event can reach are dropped, which bounds the encoded size at about 40 KiB. A
    transaction that comes late finds its windows only as far back as that.
    """

    __slots__ = ("_frauds", "_hours", "_minutes", "last_sequence", "newest_us")

    def __init__(
        self, hours: Integers, minutes: Integers, frauds: Integers, newest_us: int, last_sequence: int
    ) -> None:
        self._hours, self._minutes, self._frauds = hours, minutes, frauds
        self.newest_us = newest_us
        """Event time of the newest transaction, `NEVER` where there is none."""
        self.last_sequence = last_sequence
        """The newest log sequence that the state holds, -1 where it holds none."""

    @classmethod
    def empty(cls) -> "EntityState":
        """The state before any event."""
        tables = (np.empty((rows, 0), dtype=np.int64) for rows in (len(_HOURS), len(_PAIRS), len(_PAIRS)))
        return cls(*tables, newest_us=NEVER, last_sequence=-1)

    @classmethod
    def of(cls, hours: Integers, minutes: Integers, frauds: Integers, newest_us: int) -> "EntityState":
        """A state of whole tables, cut to what a fold would have kept."""
        state = cls(hours, minutes, frauds, newest_us, -1)
        state._drop_old()
        return state

    @classmethod
    def decode(cls, data: bytes) -> "EntityState":
        """Read what `encode` wrote.

        Raises:
            StateError: The bytes have another layout or are cut short.
        """
        if not data or data[0] != LAYOUT_VERSION or len(data) < _HEADER.size:
            found = f"layout {data[0]}" if data else "no bytes"
            raise StateError(
                f"expected an entity state of layout {LAYOUT_VERSION}, received {found} ({len(data)} bytes); "
                "materialise the states again"
            )
        _, last_sequence, newest_us, *counts = _HEADER.unpack_from(data)
        offset, tables = _HEADER.size, []
        for types, count in zip((_HOURS, _PAIRS, _PAIRS), counts, strict=True):
            table = np.empty((len(types), count), dtype=np.int64)
            for row, kind in enumerate(types):
                stop = offset + count * np.dtype(kind).itemsize
                if stop > len(data):
                    raise StateError(f"an entity state is cut short: {stop} bytes are announced, {len(data)} are there")
                table[row] = np.frombuffer(data, kind, count, offset)
                offset = stop
            tables.append(table)
        return cls(*tables, newest_us=newest_us, last_sequence=last_sequence)

    def encode(self) -> bytes:
        """Layout 1, little endian: version, last sequence, newest time, three lengths, then each table row by row."""
        tables = ((self._hours, _HOURS), (self._minutes, _PAIRS), (self._frauds, _PAIRS))
        counts = (table.shape[1] for table, _ in tables)
        header = _HEADER.pack(LAYOUT_VERSION, self.last_sequence, self.newest_us, *counts)
        rows = (table[row].astype(kind).tobytes() for table, types in tables for row, kind in enumerate(types))
        return b"".join((header, *rows))

    def add_transaction(self, occurred_us: int, amount_minor: int, sequence: int | None) -> None:
        """Count a transaction in the buckets of its own time; one not newer than `last_sequence` is skipped."""
        if not self._is_news(sequence):
            return
        amount = min(amount_minor, AMOUNT_CAP_MINOR)
        self._hours = _add(self._hours, occurred_us // HOUR_US, (1, amount, amount * amount), amount)
        self._minutes = _add(self._minutes, occurred_us // MINUTE_US, (1, amount))
        self.newest_us = max(self.newest_us, occurred_us)
        self._drop_old()

    def add_label(self, label_us: int, amount_minor: int, fraud: bool, sequence: int | None) -> None:
        """Count a fraud from `label_us` on; a genuine transaction matures by itself and changes no total."""
        if not self._is_news(sequence) or not fraud:
            return
        self._frauds = _add(self._frauds, label_us // HOUR_US, (1, min(amount_minor, AMOUNT_CAP_MINOR)))
        self._drop_old()

    def totals(self, at_us: int) -> WindowTotals:
        """What the windows hold at a moment, as arrays of one row."""
        hour, size = at_us // HOUR_US, len(_LONG)
        hour_edges = np.searchsorted(self._hours[0], hour + _LONG_EDGES)
        fraud_edges = np.searchsorted(self._frauds[0], hour + _FRAUD_EDGES)
        long = _sums(self._hours[:4], hour_edges)
        short = _sums(self._minutes, np.searchsorted(self._minutes[0], at_us // MINUTE_US + _SHORT_EDGES))
        frauds = _sums(self._frauds, fraud_edges)
        recent, ripe = long[:, :1] - long[:, 1 : size + 1], long[:, size + 1 : size + 2] - long[:, size + 2 :]
        short, known = short[:, :1] - short[:, 1:], frauds[:, :1] - frauds[:, 1:]
        largest = [self._hours[4, start : hour_edges[0]].max(initial=0) for start in hour_edges[1 : size + 1]]
        some = fraud_edges[0] > fraud_edges[-1]
        return WindowTotals(
            short_count=short[:1],
            short_amount=short[1:2],
            count=recent[:1],
            amount=recent[1:2],
            squares=recent[2:3],
            largest=np.array([largest], dtype=np.int64),
            matured=ripe[:1],
            matured_amount=ripe[1:2],
            frauds=known[:1],
            fraud_amount=known[1:2],
            first_fraud_hours=np.array([hour - self._frauds[0, fraud_edges[-1]] if some else NEVER]),
            last_fraud_hours=np.array([hour - self._frauds[0, fraud_edges[0] - 1] if some else NEVER]),
            wait_us=np.array([NEVER if self.newest_us == NEVER else max(0, at_us - self.newest_us)]),
        )

    def _is_news(self, sequence: int | None) -> bool:
        if sequence is None:
            return True
        if sequence <= self.last_sequence:
            return False
        self.last_sequence = sequence
        return True

    def _drop_old(self) -> None:
        """A fraud counts at the latest a label's delay after its label came, so the clock stands at least there."""
        clock = self.newest_us // HOUR_US if self.newest_us != NEVER else NEVER
        if self._frauds.shape[1]:
            clock = max(clock, int(self._frauds[0, -1]) - LABEL_DELAY_HOURS)
        self._frauds = _from(self._frauds, clock - LONGEST_HOURS)
        self._hours = _from(self._hours, clock - LONGEST_HOURS - LABEL_DELAY_HOURS)
        if self.newest_us != NEVER:
            self._minutes = _from(self._minutes, self.newest_us // MINUTE_US - LONGEST_MINUTES + 1)


def card_features(transaction: Transaction, customer: EntityState, terminal: EntityState) -> NDArray[np.float32]:
    """The features of a transaction `[F]` in `CARD_FEATURE_NAMES` order, from the states before it."""
    at, amount = np.array([transaction.occurred_us]), np.array([transaction.amount_minor])
    blocks = (
        row_block(at, amount),
        customer_block(customer.totals(transaction.occurred_us), amount),
        terminal_block(terminal.totals(transaction.occurred_us), amount),
    )
    return np.concatenate(blocks, axis=1)[0]


def apply(event: Event, customer: EntityState | None, terminal: EntityState | None) -> None:
    """Fold one event into the states of its customer and its terminal.

    A state that already holds the event's sequence skips it, each for itself. None leaves a side out: an event of this
    customer may have happened at another terminal.
    """
    for state in (customer, terminal):
        if state is None:
            continue
        if isinstance(event, Label):
            state.add_label(event.counts_from_us, event.amount_minor, event.fraud, event.sequence)
        else:
            state.add_transaction(event.occurred_us, event.amount_minor, event.sequence)


def _add(table: Integers, bucket: int, sums: tuple[int, ...], largest: int | None = None) -> Integers:
    """The table with values added to a bucket, which is made where it is missing."""
    place = int(np.searchsorted(table[0], bucket))
    if place == table.shape[1] or table[0, place] != bucket:
        wider = np.zeros((table.shape[0], table.shape[1] + 1), dtype=np.int64)
        wider[:, :place], wider[:, place + 1 :] = table[:, :place], table[:, place:]
        wider[0, place] = bucket
        table = wider
    table[1 : len(sums) + 1, place] += sums
    if largest is not None:
        table[-1, place] = max(table[-1, place], largest)
    return table


def _from(table: Integers, bucket: int) -> Integers:
    if not table.shape[1] or table[0, 0] >= bucket:
        return table
    return table[:, np.searchsorted(table[0], bucket) :]


def _sums(table: Integers, edges: Integers) -> Integers:
    """Sums `[rows - 1, edges]` of the columns before each edge."""
    prefix = np.zeros((table.shape[0] - 1, table.shape[1] + 1), dtype=np.int64)
    np.cumsum(table[1:], axis=1, out=prefix[:, 1:])
    sums: Integers = prefix[:, edges]
    return sums
