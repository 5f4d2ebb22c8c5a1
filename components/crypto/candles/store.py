"""The candle store: one Parquet object for each series, timeframe and month, on the object-store port."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.crypto.candles.port import CandlePage
from components.crypto.candles.quality import count_revised, merge
from components.crypto.candles.table import from_parquet_bytes, to_parquet_bytes
from components.crypto.series import Series, Timeframe
from runtime.object_store import ObjectNotFoundError, ObjectStore

ROOT = "candles"


@dataclass(frozen=True)
class CommitCounts:
    """What one commit changed: bars that were new, and bars whose values differed from those stored."""

    added: int
    revised: int


@dataclass(frozen=True)
class CandleStore:
    """Candles of one source, kept apart by the source's `origin`.

    A commit rewrites the months that it touches, each in one atomic put, oldest first, and writes nothing that is
    stored already; so it may be repeated, and a kill in the middle leaves whole months only.
    """

    objects: ObjectStore
    origin: str

    def read(self, series: Series, timeframe: Timeframe) -> CandlePage:
        """Every stored candle of a series, sorted by open time; an empty page where there is none."""
        names = self.objects.list(self._prefix(series, timeframe))
        return CandlePage.concat([from_parquet_bytes(self.objects.get(name)) for name in names])

    def commit(self, series: Series, timeframe: Timeframe, page: CandlePage) -> CommitCounts:
        """Store a page of sorted, unique candles durably; for a bar that is stored already the page's values stand."""
        added = revised = 0
        for month, part in _by_month(page):
            name = f"{self._prefix(series, timeframe)}{month}.parquet"
            stored = self._read_month(name)
            merged = merge(stored, part)
            changed = count_revised(stored, part)
            if changed or len(merged) > len(stored):
                self.objects.put(name, to_parquet_bytes(series.unique_id, merged))
            added += len(merged) - len(stored)
            revised += changed
        return CommitCounts(added, revised)

    def _read_month(self, name: str) -> CandlePage:
        try:
            return from_parquet_bytes(self.objects.get(name))
        except ObjectNotFoundError:
            return CandlePage.of([])

    def _prefix(self, series: Series, timeframe: Timeframe) -> str:
        pair = f"{series.symbol}-{series.quote}"
        return f"{ROOT}/{self.origin}/{series.exchange}/{series.market}/{pair}/{timeframe.name}/"


def _by_month(page: CandlePage) -> Iterator[tuple[str, CandlePage]]:
    """Parts of a sorted page, oldest first."""
    months = page.opened_us.astype("datetime64[us]").astype("datetime64[M]")
    starts = np.flatnonzero(months[1:] != months[:-1]) + 1
    for rows in np.split(np.arange(len(page)), starts) if len(page) else []:
        yield str(months[rows[0]]), page.take(rows)
