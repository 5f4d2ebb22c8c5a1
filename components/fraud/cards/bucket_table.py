"""Tables of buckets as lists, and sums over windows that end together.

Lists and not arrays: most entities hold few buckets, where a call of an array library costs more than the sum itself.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Table: TypeAlias = tuple[list[int], ...]
"""Columns of equal length: buckets ascending, then what each holds."""


def empty_table(columns: int) -> Table:
    """A table without a bucket."""
    return tuple([] for _ in range(columns))


def add(table: Table, bucket: int, values: Sequence[int]) -> int:
    """Add values to a bucket, which is made where it is missing; return its place."""
    buckets = table[0]
    place = bisect_left(buckets, bucket)
    if place == len(buckets) or buckets[place] != bucket:
        buckets.insert(place, bucket)
        for column in table[1:]:
            column.insert(place, 0)
    for column, value in zip(table[1:], values, strict=False):
        column[place] += value
    return place


def cut(table: Table, bucket: int) -> None:
    """Drop what lies before a bucket."""
    if table[0] and table[0][0] < bucket:
        place = bisect_left(table[0], bucket)
        for column in table:
            del column[:place]


def edges(buckets: Sequence[int], stop: int, lengths: Iterable[int]) -> list[int]:
    """Where the windows before `stop` end, and where each of them begins."""
    return [bisect_left(buckets, stop), *(bisect_left(buckets, stop - length) for length in lengths)]


def sums(column: Sequence[int], edges: Sequence[int]) -> list[int]:
    """Sum from each beginning to the end; windows grow, so each one adds to the one before it."""
    sums, total, stop = [], 0, edges[0]
    for start in edges[1:]:
        total += sum(column[start:stop])
        sums.append(total)
        stop = start
    return sums
