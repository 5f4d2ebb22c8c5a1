"""Local servers that speak the wire formats of Binance and of CoinGecko, and know how to misbehave."""

import json
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from components.crypto.candles.port import CandlePage
from runtime.moments import microseconds

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 30, tzinfo=UTC)


def candle(index: int) -> tuple[float, float, float, float, float]:
    """A well-formed candle that tells its own place."""
    opened, closed = 100 + index * 0.25, 100 + (index + 1) * 0.25
    return opened, closed + 1.5, opened - 1.5, closed, 10.0 + index % 7


def history(bars: int, start: datetime = START) -> dict[datetime, tuple[float, ...]]:
    return {start + index * HOUR: candle(index) for index in range(bars)}


def page_of(candles: dict[datetime, tuple[float, ...]]) -> CandlePage:
    return CandlePage.of([(microseconds(opened), values) for opened, values in candles.items()])


@dataclass(frozen=True)
class Fault:
    """What the server does instead of answering."""

    status: int = 200
    body: bytes = b"<html>maintenance</html>"
    headers: dict[str, str] = field(default_factory=dict)
    hang_seconds: float = 0.0


@dataclass
class WireServer:
    """Serves `candles` by symbol up to its own `clock`; the faults of a path are used up one a request, first."""

    candles: dict[str, dict[datetime, tuple[float, ...]]]
    clock: datetime
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[float, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def times_of(self, fragment: str) -> list[float]:
        return [at for at, path, _ in self.requests if fragment in path]

    def queries_of(self, fragment: str) -> list[dict[str, str]]:
        return [query for _, path, query in self.requests if fragment in path]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        self.requests.append((time.monotonic(), path, query))
        for fragment, faults in self.faults.items():
            if fragment in path and faults:
                fault = faults.pop(0)
                time.sleep(fault.hang_seconds)
                kind = "application/json" if fault.body.startswith((b"{", b"[")) else "text/html"
                return fault.status, fault.body, {"Content-Type": kind, **fault.headers}
        body = self.route(path, query)
        if body is None:
            return 404, b'{"code": -1121, "msg": "Invalid symbol."}', {"Content-Type": "application/json"}
        return 200, json.dumps(body).encode(), {"Content-Type": "application/json"}

    def route(self, path: str, query: dict[str, str]) -> object:
        raise NotImplementedError


class BinanceServer(WireServer):
    def route(self, path: str, query: dict[str, str]) -> object:
        if path.endswith("/exchangeInfo"):
            symbols = [_binance_symbol(f"{base}USDT", base, swap="fapi" in path) for base in sorted(self.candles)]
            return {"timezone": "UTC", "serverTime": _ms(self.clock), "rateLimits": [], "symbols": symbols}
        if path.endswith("/time"):
            return {"serverTime": _ms(self.clock)}
        if path.endswith("/klines"):
            return self.klines(query)
        return None

    def klines(self, query: dict[str, str]) -> object:
        candles = self.candles.get(query["symbol"].removesuffix("USDT"))
        if candles is None:
            return None
        since = int(query.get("startTime", "0"))
        rows = [(o, v) for o, v in candles.items() if _ms(o) >= since and o <= self.clock]
        return [_kline(o, v) for o, v in rows[: int(query.get("limit", "500"))]]


class CoinGeckoServer(WireServer):
    """Keyed by coin id; candles are stamped with their close, volumes are those of 24 hours in currency."""

    def route(self, path: str, query: dict[str, str]) -> object:
        coin = path.split("/coins/")[1].split("/")[0] if "/coins/" in path else ""
        candles = self.candles.get(coin)
        if candles is None:
            return None
        first, last = (datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("from", "to"))
        if last - first > timedelta(days=31):
            return None
        rows = [(o + HOUR, v) for o, v in candles.items() if first <= o + HOUR <= last and o <= self.clock]
        if path.endswith("/ohlc/range"):
            return [[_ms(closed), *values[:4]] for closed, values in rows]
        if path.endswith("/market_chart/range"):
            volumes = [[_ms(closed) + 4321, values[4] * 24 * values[3]] for closed, values in rows]
            prices = [[_ms(closed) + 4321, values[3]] for closed, values in rows]
            return {"prices": prices, "market_caps": prices, "total_volumes": volumes}
        return None


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _kline(opened: datetime, values: tuple[float, ...]) -> list[object]:
    # json has no NaN; a missing number travels as null, as it does over the wire.
    numbers = [None if math.isnan(value) else f"{value:.8f}" for value in values]
    return [_ms(opened), *numbers, _ms(opened + HOUR) - 1, "0", 1, "0", "0", "0"]


def _binance_symbol(symbol: str, base: str, *, swap: bool) -> dict[str, object]:
    common: dict[str, object] = {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        ],
    }
    if not swap:
        return {**common, "isSpotTradingAllowed": True, "permissions": ["SPOT"]}
    return {
        **common,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "underlyingType": "COIN",
    }
