"""What one customer or one terminal has done so far, in buckets: the fold over its events and the features from it."""

import struct
import sys
from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.fraud.cards.bucket_table import Table, add, cut, edges, empty_table, sums
from components.fraud.cards.derive import customer_block, row_block, terminal_block
from components.fraud.cards.events import Event, Label, Transaction
from components.fraud.cards.totals import NEVER, WindowTotals
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
_HOURS: Final = "iiqqi"
_PAIRS: Final = "iiq"

_SHORT: Final = tuple(SHORT_WINDOWS.values())
_LONG: Final = tuple(LONG_WINDOWS.values())


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

    def __init__(self, hours: Table, minutes: Table, frauds: Table, newest_us: int, last_sequence: int) -> None:
        self._hours, self._minutes, self._frauds = hours, minutes, frauds
        self.newest_us = newest_us
        """Event time of the newest transaction, `NEVER` where there is none."""
        self.last_sequence = last_sequence
        """The newest log sequence that the state holds, -1 where it holds none."""

    @classmethod
    def empty(cls) -> "EntityState":
        """The state before any event."""
        return cls(
            empty_table(len(_HOURS)),
            empty_table(len(_PAIRS)),
            empty_table(len(_PAIRS)),
            newest_us=NEVER,
            last_sequence=-1,
        )

    @classmethod
    def of(cls, hours: Table, minutes: Table, frauds: Table, newest_us: int) -> "EntityState":
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
        sizes = [
            count * struct.calcsize(kind)
            for types, count in zip((_HOURS, _PAIRS, _PAIRS), counts, strict=True)
            for kind in types
        ]
        if len(data) != _HEADER.size + sum(sizes):
            raise StateError(
                f"an entity state is cut short or too long: its header announces {_HEADER.size + sum(sizes)} bytes, "
                f"{len(data)} are there; materialise the states again"
            )
        offset, columns = _HEADER.size, []
        for kind, size in zip(_HOURS + _PAIRS + _PAIRS, sizes, strict=True):
            columns.append(_little_endian(array(kind, data[offset : offset + size])).tolist())
            offset += size
        first, second = len(_HOURS), len(_HOURS) + len(_PAIRS)
        tables = (tuple(columns[:first]), tuple(columns[first:second]), tuple(columns[second:]))
        return cls(*tables, newest_us=newest_us, last_sequence=last_sequence)

    def encode(self) -> bytes:
        """Layout 1, little endian: version, last sequence, newest time, three lengths, then each table by column."""
        tables = (self._hours, self._minutes, self._frauds)
        header = _HEADER.pack(LAYOUT_VERSION, self.last_sequence, self.newest_us, *(len(table[0]) for table in tables))
        columns = (column for table in tables for column in table)
        kinds = _HOURS + _PAIRS + _PAIRS
        parts = (_little_endian(array(kind, column)).tobytes() for kind, column in zip(kinds, columns, strict=True))
        return b"".join((header, *parts))

    def add_transaction(self, occurred_us: int, amount_minor: int, sequence: int | None) -> None:
        """Count a transaction in the buckets of its own time; one not newer than `last_sequence` is skipped."""
        if not self._is_news(sequence):
            return
        amount = min(amount_minor, AMOUNT_CAP_MINOR)
        place = add(self._hours, occurred_us // HOUR_US, (1, amount, amount * amount))
        self._hours[4][place] = max(self._hours[4][place], amount)
        add(self._minutes, occurred_us // MINUTE_US, (1, amount))
        self.newest_us = max(self.newest_us, occurred_us)
        self._drop_old()

    def add_label(self, label_us: int, amount_minor: int, fraud: bool, sequence: int | None) -> None:
        """Count a fraud from `label_us` on; a genuine transaction matures by itself and changes no total."""
        if not self._is_news(sequence) or not fraud:
            return
        add(self._frauds, label_us // HOUR_US, (1, min(amount_minor, AMOUNT_CAP_MINOR)))
        self._drop_old()

    def totals(self, at_us: int) -> WindowTotals:
        """What the windows hold at a moment, as arrays of one row."""
        hour, minute = at_us // HOUR_US, at_us // MINUTE_US
        recent = edges(self._hours[0], hour + 1, _LONG)
        ripe = edges(self._hours[0], hour - LABEL_DELAY_HOURS, _LONG)
        known = edges(self._frauds[0], hour, _LONG)
        short = edges(self._minutes[0], minute + 1, _SHORT)
        rows = (
            *(sums(column, recent) for column in self._hours[1:4]),
            [max(self._hours[4][start : recent[0]], default=0) for start in recent[1:]],
            *(sums(column, ripe) for column in self._hours[1:3]),
            *(sums(column, known) for column in self._frauds[1:]),
        )
        long = np.array(rows, dtype=np.int64)[:, None, :]
        brief = np.array([sums(column, short) for column in self._minutes[1:]], dtype=np.int64)[:, None, :]
        first, last = (NEVER, NEVER)
        if known[0] > known[-1]:
            first, last = hour - self._frauds[0][known[-1]], hour - self._frauds[0][known[0] - 1]
        wait = NEVER if self.newest_us == NEVER else max(0, at_us - self.newest_us)
        alone = np.array([[first], [last], [wait]], dtype=np.int64)
        return WindowTotals(*brief, *long, *alone)

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
        if self._frauds[0]:
            clock = max(clock, self._frauds[0][-1] - LABEL_DELAY_HOURS)
        cut(self._frauds, clock - LONGEST_HOURS)
        cut(self._hours, clock - LONGEST_HOURS - LABEL_DELAY_HOURS)
        if self.newest_us != NEVER:
            cut(self._minutes, self.newest_us // MINUTE_US - LONGEST_MINUTES + 1)


def card_features(transaction: Transaction, customer: EntityState, terminal: EntityState) -> NDArray[np.float32]:
    """The features of a transaction `[F]` in `CARD_FEATURE_NAMES` order, from the states before it."""
    at, amount = np.array([transaction.occurred_us]), np.array([transaction.amount_minor])
    blocks = (
        row_block(at, amount),
        customer_block(customer.totals(transaction.occurred_us), amount),
        terminal_block(terminal.totals(transaction.occurred_us), amount),
    )
    features: NDArray[np.float32] = np.concatenate(blocks, axis=1)[0]
    return features


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


def _little_endian(values: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        values.byteswap()
    return values
