"""Candles of any exchange that ccxt speaks to."""

import hashlib
import importlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from components.crypto.candles.port import (
    VALUE_COLUMNS,
    CandlePage,
    SourceRefusedError,
    UnknownSymbolError,
    UnsupportedRequestError,
    check_market,
    nearest_hint,
)
from components.crypto.candles.retry import TransientSourceError, parse_retry_after, with_retries
from components.crypto.candles.settings import CandleSettings
from components.crypto.series import Market, Series, Timeframe

if TYPE_CHECKING:
    from ccxt.async_support.base.exchange import Exchange

T = TypeVar("T")

_EXCHANGE_NAMES = {"binanceusdm": "binance"}
"""ccxt ids that name one market of an exchange; the market type stands in the identity apart."""


class ExchangeSource:
    """One exchange and market type through ccxt, with ccxt's own rate limiter on.

    Symbols are base currencies: `BTC` is `BTC/USDT:USDT` as a linear perpetual swap and `BTC/USDT` as spot.
    """

    def __init__(
        self, settings: CandleSettings, wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            settings: Which exchange, market and quote, and how it is asked.
            wall_clock: The clock of an exchange that tells no time.

        Raises:
            UnsupportedRequestError: ccxt knows no such exchange, or it offers no candles.
        """
        self._settings = settings
        self._wall_clock = wall_clock
        self._client = _client(settings)
        self._markets: dict[str, str] | None = None

    @property
    def name(self) -> str:
        """The exchange's name in ccxt."""
        return self._settings.exchange_id

    @property
    def exchange(self) -> str:
        """Name in the identity of series: `binance` for `binanceusdm`."""
        return _EXCHANGE_NAMES.get(self._settings.exchange_id, self._settings.exchange_id)

    @property
    def market(self) -> Market:
        """Market type."""
        return self._settings.exchange_market

    @property
    def quote(self) -> str:
        """Quote currency."""
        return self._settings.exchange_quote

    @property
    def origin(self) -> str:
        """The exchange, with a digest of the address where it is not the exchange's own."""
        url = self._settings.exchange_url
        return f"{self.name}-{hashlib.sha256(url.encode()).hexdigest()[:12]}" if url else self.name

    async def symbols(self) -> Sequence[str]:
        """Base currencies of every market of this type and quote."""
        return sorted(await self._load_markets())

    async def fetch(
        self, series: Series, timeframe: Timeframe, since: datetime, until: datetime
    ) -> AsyncIterator[CandlePage]:
        """Ask page after page, each from where the last one ended."""
        check_market(self, series)
        self._check_timeframe(timeframe)
        markets = await self._load_markets()
        if series.symbol not in markets:
            hint = nearest_hint(series.symbol, sorted(markets))
            raise UnknownSymbolError(f"{self.name} has no symbol {series.symbol!r}; {hint}")
        cursor, limit = since, self._settings.page_bars
        while cursor < until:
            page = await self._page(markets[series.symbol], timeframe, cursor, limit)
            wanted = page.between(since, until)
            if len(wanted):
                yield wanted
            cursor = _next_cursor(page, cursor, timeframe, limit)

    async def now(self) -> datetime:
        """The exchange's server time, or the wall clock where it tells none."""
        if not self._client.has.get("fetchTime"):
            return self._wall_clock()
        milliseconds = await self._ask(self._client.fetch_time)
        return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _load_markets(self) -> dict[str, str]:
        if self._markets is None:
            markets = await self._ask(self._client.load_markets)
            self._markets = {m["base"]: m["symbol"] for m in markets.values() if self._is_ours(m)}
        return self._markets

    def _is_ours(self, market: Mapping[str, object]) -> bool:
        if market["quote"] != self.quote:
            return False
        if self.market == "spot":
            return bool(market["spot"])
        return bool(market["swap"] and market["linear"]) and market["settle"] == self.quote

    def _check_timeframe(self, timeframe: Timeframe) -> None:
        offered = self._client.timeframes or {}
        if timeframe.name not in offered:
            raise UnsupportedRequestError(
                f"{self.name} has no {timeframe.name} candles; it has {', '.join(offered) or 'none'}"
            )

    async def _page(self, symbol: str, timeframe: Timeframe, since: datetime, limit: int) -> CandlePage:
        async def ask() -> CandlePage:
            rows = await self._client.fetch_ohlcv(
                symbol, timeframe.name, since=math.floor(since.timestamp() * 1000), limit=limit
            )
            if self._client.last_json_response is None:
                raise TransientSourceError(f"expected JSON, got {self._client.last_http_response!r:.200}")
            return _parse(rows)

        return await self._ask(ask)

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        from ccxt.base.errors import BadResponse, BaseError, NetworkError

        async def attempt() -> T:
            # An attempt without an answer must not be taken for one that asked for a wait.
            self._client.last_response_headers = None
            try:
                return await call()
            except NetworkError as error:
                headers = self._client.last_response_headers or {}
                raise TransientSourceError(_said(error), parse_retry_after(_header(headers, "retry-after"))) from error
            except BadResponse as error:
                raise TransientSourceError(_said(error)) from error
            except BaseError as error:
                raise SourceRefusedError(f"{self.name} refused: {_said(error)}") from error
            except (TypeError, KeyError, AttributeError, IndexError) as error:
                # ccxt reads answers without checking their shape, so a garbled one surfaces as one of these.
                raise TransientSourceError(f"the answer could not be read: {error!r}") from error

        return await with_retries(self.name, self._settings, attempt)


def _client(settings: CandleSettings) -> "Exchange":
    ccxt = importlib.import_module("ccxt.async_support")
    if settings.exchange_id not in ccxt.exchanges:
        hint = nearest_hint(settings.exchange_id, ccxt.exchanges)
        raise UnsupportedRequestError(f"ccxt knows no exchange {settings.exchange_id!r}; {hint}")
    options: dict[str, object] = {
        "enableRateLimit": True,
        "enableLastJsonResponse": True,
        "timeout": math.ceil(settings.timeout_seconds * 1000),
    }
    if settings.exchange_rate_limit_ms is not None:
        options["rateLimit"] = settings.exchange_rate_limit_ms
    client = getattr(ccxt, settings.exchange_id)(options)
    if not client.has.get("fetchOHLCV"):
        raise UnsupportedRequestError(f"{settings.exchange_id} offers no candles through ccxt; choose another exchange")
    # Currencies need a key on some exchanges and tell nothing about candles.
    client.has["fetchCurrencies"] = False
    _narrow(client.options, settings.exchange_market)
    client.parse_ohlcv = _checked(client.parse_ohlcv)
    if settings.exchange_url:
        client.urls["api"] = _rebased(client.urls["api"], settings.exchange_url.rstrip("/"))
    return client


def _checked(parse: Callable[..., object]) -> Callable[..., object]:
    """Refuse an unreadable candle, which ccxt would drop without a word."""

    def parse_ohlcv(raw: object, market: object = None) -> object:
        row = parse(raw, market)
        if not isinstance(row, list) or not isinstance(row[0], int) or all(value is None for value in row[1:]):
            raise TransientSourceError(f"expected a candle, got {raw!r:.200}")
        return row

    return parse_ohlcv


def _narrow(options: dict[str, object], market: Market) -> None:
    """Keep ccxt from loading the markets of other types, where the exchange serves them apart."""
    wanted = {"spot"} if market == "spot" else {"linear", "swap"}
    options["defaultType"] = "spot" if market == "spot" else "swap"
    listing = options.get("fetchMarkets")
    if isinstance(listing, Mapping) and isinstance(listing.get("types"), list):
        types = [name for name in listing["types"] if name in wanted]
        options["fetchMarkets"] = {**listing, "types": types or listing["types"]}


def _rebased(urls: object, base: str) -> object:
    if isinstance(urls, Mapping):
        return {key: _rebased(value, base) for key, value in urls.items()}
    return f"{base}{urlsplit(urls).path}" if isinstance(urls, str) else urls


def _parse(rows: Sequence[Sequence[float | None]]) -> CandlePage:
    values = slice(1, 1 + len(VALUE_COLUMNS))
    return CandlePage.of(
        [(int(row[0] or 0) * 1000, [math.nan if v is None else v for v in row[values]]) for row in rows]
    )


def _next_cursor(page: CandlePage, cursor: datetime, timeframe: Timeframe, limit: int) -> datetime:
    """After the page's last bar; past a whole page of bars where the source had none from `cursor` on."""
    if len(page):
        after = datetime.fromtimestamp(int(page.opened_us.max()) / 1_000_000, tz=UTC) + timeframe.delta
        if after > cursor:
            return after
    return cursor + limit * timeframe.delta


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"
