"""Candles recorded in a Parquet file: the default source, which needs no network."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.crypto.candles.port import (
    CandleError,
    CandlePage,
    UnknownSymbolError,
    UnsupportedRequestError,
    check_market,
    nearest_hint,
)
from components.crypto.candles.table import CANDLE_SCHEMA, from_table
from components.crypto.series import Market, Series, Timeframe


class RecordedSource:
    """Reads table `candles` of one exchange, market and quote; its clock stands at the close of its last bar."""

    name = "recorded"

    def __init__(self, path: Path, *, page_bars: int = 1000, timeframe: Timeframe | None = None) -> None:
        """Open a recording.

        Args:
            path: Parquet with the columns of table `candles`, in any row order.
            page_bars: Rows of one page.
            timeframe: Length of the recorded bars; hourly unless given.

        Raises:
            CandleError: No such file, not Parquet, or not the columns of table `candles`.
            UnsupportedRequestError: The file mixes exchanges, markets or quotes.
        """
        self._path = path
        self._page_bars = page_bars
        self._timeframe = timeframe or Timeframe("1h")
        self._table = _read(path)
        unique_ids = sorted(pc.unique(self._table.column("unique_id")).to_pylist())
        self._series = {series.symbol: series for series in map(Series.parse, unique_ids)}
        markets = sorted({(s.exchange, s.market, s.quote) for s in self._series.values()})
        if len(markets) != 1 or len(self._series) != len(unique_ids):
            raise UnsupportedRequestError(
                f"a recording holds one exchange, market and quote, and {path} holds {markets or 'no candle'}; split it"
            )
        self._identity = self._series[min(self._series)]

    @property
    def exchange(self) -> str:
        """The recorded exchange."""
        return self._identity.exchange

    @property
    def market(self) -> Market:
        """The recorded market type."""
        return self._identity.market

    @property
    def quote(self) -> str:
        """The recorded quote currency."""
        return self._identity.quote

    @cached_property
    def origin(self) -> str:
        """`recorded-` and the first digits of the file's SHA-256."""
        with self._path.open("rb") as stream:
            return f"recorded-{hashlib.file_digest(stream, 'sha256').hexdigest()[:12]}"

    async def symbols(self) -> Sequence[str]:
        """Every recorded symbol."""
        return sorted(self._series)

    async def fetch(
        self, series: Series, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[CandlePage]:
        """Yield the recorded rows of `[since, until)` in the file's order."""
        check_market(self, series)
        if series.symbol not in self._series:
            hint = nearest_hint(series.symbol, sorted(self._series))
            raise UnknownSymbolError(f"{self._path.name} has no symbol {series.symbol!r}; {hint}")
        if timeframe != self._timeframe:
            raise UnsupportedRequestError(
                f"{self._path.name} holds {self._timeframe.name} candles, not {timeframe.name}; ask for those"
            )
        rows = self._table.filter(pc.equal(self._table.column("unique_id"), series.unique_id))
        page = from_table(rows).between(since, until)
        for start in range(0, len(page), self._page_bars):
            yield page.take(np.arange(start, min(start + self._page_bars, len(page))))

    async def now(self) -> datetime:
        """The close of the last recorded bar."""
        last = pc.max(self._table.column("ds").cast(pa.int64())).as_py()
        return datetime.fromtimestamp((last + self._timeframe.microseconds) / 1_000_000, tz=UTC)

    async def aclose(self) -> None:
        """Nothing is held open."""


def _read(path: Path) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise CandleError(
            f"cannot read the recording {path}: {error}; set CANDLES_RECORDED_PATH to a Parquet file"
        ) from error
    missing = [name for name in CANDLE_SCHEMA.names if name not in table.column_names]
    if missing:
        raise CandleError(f"the recording {path} lacks the columns {missing}; it has {table.column_names}")
    try:
        return table.select(CANDLE_SCHEMA.names).cast(CANDLE_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CandleError(
            f"the recording {path} has a column of the wrong type: {error}; expected {CANDLE_SCHEMA}"
        ) from error
