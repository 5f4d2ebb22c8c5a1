"""The candle-source port: pages of raw candles of one market, and the source's own clock."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.crypto.series import Market, Series, Timeframe
from runtime.moments import microseconds

VALUE_COLUMNS = ("open", "high", "low", "close", "volume")


class CandleError(Exception):
    """Anything that keeps candles from being ingested."""


class UnknownSymbolError(CandleError, LookupError):
    """The source does not know a symbol; the message names the nearest that it does know."""


class UnsupportedRequestError(CandleError, ValueError):
    """The source has no such timeframe, market or kind of data."""


class SourceRefusedError(CandleError):
    """The source answered that it will not serve this request; asking again would not help."""


class SourceUnavailableError(CandleError):
    """The source gave no usable answer within the allowed attempts."""


@dataclass(frozen=True)
class CandlePage:
    """Raw candles in the order the source gave them.

    Attributes:
        opened_us: `[N]` open times, microseconds since the epoch, UTC.
        values: `[N, 5]` in `VALUE_COLUMNS` order; NaN where the source gave nothing.
    """

    opened_us: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.opened_us)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "CandlePage":
        """The chosen rows, by index or by mask."""
        return CandlePage(self.opened_us[rows], self.values[rows])

    def between(self, since: datetime, until: datetime) -> "CandlePage":
        """The candles that open in `[since, until)`."""
        return self.take((self.opened_us >= microseconds(since)) & (self.opened_us < microseconds(until)))

    @classmethod
    def of(cls, rows: Sequence[tuple[int, Sequence[float]]]) -> "CandlePage":
        """Build a page from `(open time in microseconds, five values)` rows."""
        return cls(
            np.array([opened for opened, _ in rows], dtype=np.int64),
            np.array([values for _, values in rows], dtype=np.float64).reshape(len(rows), len(VALUE_COLUMNS)),
        )

    @classmethod
    def concat(cls, pages: Sequence["CandlePage"]) -> "CandlePage":
        """The pages' rows one after another; an empty page for none."""
        if not pages:
            return cls.of([])
        return cls(np.concatenate([p.opened_us for p in pages]), np.concatenate([p.values for p in pages]))


class CandleSource(Protocol):
    """One market of one publisher.

    Attributes:
        name: What reports call the source.
        exchange: The first part of a series' identity.
        market: The market type, which is part of a series' identity.
        quote: The currency that prices are in.
        origin: What stored candles are kept under; sources that could answer differently about the past differ in it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def exchange(self) -> str: ...  # noqa: D102

    @property
    def market(self) -> Market: ...  # noqa: D102

    @property
    def quote(self) -> str: ...  # noqa: D102

    @property
    def origin(self) -> str: ...  # noqa: D102

    async def symbols(self) -> Sequence[str]:
        """Every symbol that can be fetched, sorted."""
        ...

    def fetch(
        self, series: Series, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[CandlePage]:
        """Yield non-empty pages of candles that open in `[since, until)`, oldest page first.

        Pages are raw: gaps, duplicates, disorder and a candle still open are passed on as the source gave them.

        Raises:
            UnknownSymbolError: The source has no such symbol.
            UnsupportedRequestError: The series is of another market, or the timeframe is not offered.
            SourceRefusedError: The source refused for good, such as for want of a key.
            SourceUnavailableError: Every allowed attempt failed.
        """
        ...

    async def now(self) -> datetime:
        """The source's own clock, UTC: what is open and what is stale is judged by it."""
        ...

    async def aclose(self) -> None:
        """Let connections go; idempotent."""
        ...


def nearest_hint(wanted: str, known: Sequence[str]) -> str:
    """A clause for an error message that names the nearest known names, or all of a few."""
    near = get_close_matches(wanted.upper(), known, n=3, cutoff=0.4)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known symbols: {', '.join(known[:20])}{', …' if len(known) > 20 else ''}"


async def resolve(source: CandleSource, symbols: Sequence[str]) -> list[Series]:
    """Turn symbols such as `BTC` into series of the source's market, in the given order, without repeats.

    Raises:
        UnknownSymbolError: Names the unknown symbol and the nearest known.
        ValueError: No symbol was asked for.
    """
    if not symbols:
        raise ValueError("no symbol was asked for; pass at least one, such as BTC")
    known = await source.symbols()
    for symbol in symbols:
        if symbol not in known:
            raise UnknownSymbolError(f"{source.name} has no symbol {symbol!r}; {nearest_hint(symbol, known)}")
    return [
        Series(symbol=symbol, quote=source.quote, exchange=source.exchange, market=source.market)
        for symbol in dict.fromkeys(symbols)
    ]


def check_market(source: CandleSource, series: Series) -> None:
    """Refuse a series of another exchange, market or quote than the source's."""
    expected = (source.exchange, source.market, source.quote)
    if (series.exchange, series.market, series.quote) != expected:
        raise UnsupportedRequestError(
            f"{source.name} serves {source.exchange}:{source.market} in {source.quote}, not {series.unique_id}; "
            "choose another CANDLES_SOURCE or another market"
        )
