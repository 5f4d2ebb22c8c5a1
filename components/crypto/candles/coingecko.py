"""Candles of CoinGecko, which averages over exchanges: a `spot` market of its own.

Limits of the service, as it documents them: hourly candles of a range need a paid plan and come 31 days at a time,
from 9 February 2018 on; they are stamped with their close, refreshed every 15 minutes, and carry no volume. The volume
here is the traded value of the 24 hours before the close (`market_chart/range`) over 24 and the close: an hourly mean
in coins.
"""

import hashlib
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from components.crypto.candles.port import (
    CandlePage,
    SourceRefusedError,
    UnknownSymbolError,
    UnsupportedRequestError,
    check_market,
    nearest_hint,
)
from components.crypto.candles.retry import Pacer, TransientSourceError, parse_retry_after, with_retries
from components.crypto.candles.settings import CandleSettings
from components.crypto.series import Market, Series, Timeframe
from runtime.moments import microseconds

if TYPE_CHECKING:
    from coingecko_sdk import AsyncCoingecko

T = TypeVar("T")

WINDOW = timedelta(days=31)
"""Longest range of hourly candles in one request."""

FIRST_CANDLE = datetime(2018, 2, 9, tzinfo=UTC)
"""No range reaches further back."""

COIN_IDS = {
    "ADA": "cardano",
    "AVAX": "avalanche-2",
    "BCH": "bitcoin-cash",
    "BNB": "binancecoin",
    "BTC": "bitcoin",
    "DOGE": "dogecoin",
    "DOT": "polkadot",
    "ETH": "ethereum",
    "LINK": "chainlink",
    "LTC": "litecoin",
    "SOL": "solana",
    "TRX": "tron",
    "XLM": "stellar",
    "XRP": "ripple",
}
"""Symbols are not unique at CoinGecko; these name the coin that is meant. `CANDLES_COINGECKO_IDS` adds to them."""


class CoinGeckoSource:
    """Hourly candles in one currency, requests kept apart as the plan demands."""

    name = "coingecko"
    exchange = "coingecko"
    market: Market = "spot"

    def __init__(
        self, settings: CandleSettings, wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            settings: Currency, keys and how the service is asked.
            wall_clock: CoinGecko tells no time, so this is the source's clock.
        """
        self._settings = settings
        self._wall_clock = wall_clock
        self._ids = {**COIN_IDS, **settings.coingecko_ids}
        self._url = settings.coingecko_url or os.environ.get("COINGECKO_BASE_URL", "")
        self._client = _client(settings, self._url)
        self._pacer = Pacer(60 / settings.coingecko_requests_per_minute)

    @property
    def quote(self) -> str:
        """The currency, in capitals."""
        return self._settings.coingecko_currency.upper()

    @property
    def origin(self) -> str:
        """The service, with a digest of the address where it is not the service's own."""
        return f"{self.name}-{hashlib.sha256(self._url.encode()).hexdigest()[:12]}" if self._url else self.name

    async def symbols(self) -> Sequence[str]:
        """The symbols whose CoinGecko id is known here."""
        return sorted(self._ids)

    async def fetch(
        self, series: Series, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[CandlePage]:
        """Ask for 31 days at a time; a request for the candles and one for their volume."""
        check_market(self, series)
        if timeframe.seconds != 3600:
            raise UnsupportedRequestError(f"coingecko serves 1h candles here, not {timeframe.name}; choose 1h")
        coin = self._ids.get(series.symbol)
        if coin is None:
            hint = nearest_hint(series.symbol, sorted(self._ids))
            raise UnknownSymbolError(
                f"coingecko's id of {series.symbol!r} is not known; {hint} Or add it to CANDLES_COINGECKO_IDS"
            )
        start = max(since, FIRST_CANDLE)
        while start < until:
            end = min(start + WINDOW, until)
            page = (await self._window(coin, timeframe, start, end)).between(since, until)
            if len(page):
                yield page
            start = end

    async def now(self) -> datetime:
        """The wall clock."""
        return self._wall_clock()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _window(self, coin: str, timeframe: Timeframe, since: datetime, until: datetime) -> CandlePage:
        currency = self._settings.coingecko_currency
        # Candles are stamped with their close, so that those which open in [since, until) close a bar later.
        first = _stamp(since + timeframe.delta)
        last = _stamp(timeframe.floor(until - timedelta(microseconds=1)) + timeframe.delta)
        candles = await self._ask(
            lambda: self._client.coins.ohlc.get_range(
                coin, from_=first, to=last, vs_currency=currency, interval="hourly"
            ),
            lambda answer: _rows(answer, 5),
        )
        chart = await self._ask(
            lambda: self._client.coins.market_chart.get_range(
                coin, from_=first, to=last, vs_currency=currency, interval="hourly"
            ),
            lambda answer: _rows(getattr(answer, "total_volumes", None), 2),
        )
        turnover = {timeframe.floor(_moment(row[0])): row[1] for row in chart}
        return CandlePage.of(
            [
                (
                    microseconds(closed) - timeframe.microseconds,
                    [*row[1:5], _volume(turnover.get(timeframe.floor(closed)), row[4])],
                )
                for row in candles
                for closed in [_moment(row[0])]
            ]
        )

    async def _ask(self, call: Callable[[], Awaitable[object]], read: Callable[[object], T]) -> T:
        from coingecko_sdk import APIConnectionError, APIResponseValidationError, APIStatusError

        async def attempt() -> T:
            await self._pacer.wait()
            try:
                return read(await call())
            except APIStatusError as error:
                raise _of_status(error.status_code, error.response.headers.get("retry-after"), error.message) from error
            except (APIConnectionError, APIResponseValidationError) as error:
                raise TransientSourceError(f"{type(error).__name__}: {error}") from error
            except ValueError as error:
                raise TransientSourceError(f"the answer could not be read: {error}") from error

        return await with_retries(self.name, self._settings, attempt)


def _client(settings: CandleSettings, url: str) -> "AsyncCoingecko":
    from coingecko_sdk import AsyncCoingecko

    pro = settings.coingecko_pro_api_key.get_secret_value() or None
    demo = settings.coingecko_demo_api_key.get_secret_value() or None
    place = {"base_url": url} if url else {"environment": "demo" if demo and not pro else "pro", "base_url": None}
    return AsyncCoingecko(pro_api_key=pro, demo_api_key=demo, timeout=settings.timeout_seconds, max_retries=0, **place)


def _of_status(status: int, retry_after: str | None, message: str) -> Exception:
    if status == 429 or status in (408, 409) or status >= 500:
        return TransientSourceError(f"status {status}: {message[:300]}", parse_retry_after(retry_after))
    hint = (
        "; hourly ranges need the key of a paid plan in CANDLES_COINGECKO_PRO_API_KEY" if status in (401, 403) else ""
    )
    return SourceRefusedError(f"coingecko refused with status {status}: {message[:300]}{hint}")


def _rows(answer: object, width: int) -> list[list[float]]:
    if not isinstance(answer, list) or not all(isinstance(row, list) and len(row) >= width for row in answer):
        raise TransientSourceError(f"expected rows of {width} numbers, got {answer!r:.200}")
    try:
        return [[math.nan if value is None else float(value) for value in row] for row in answer]
    except TypeError as error:
        raise TransientSourceError(f"a row is not made of numbers: {error}") from error


def _volume(turnover: float | None, close: float) -> float:
    return turnover / 24 / close if turnover is not None and close > 0 else math.nan


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
