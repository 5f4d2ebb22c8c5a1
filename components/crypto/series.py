"""Which market a price series comes from, and how long its bars are."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Market = Literal["usdm-perp", "spot"]

_TIMEFRAME_SECONDS = {"1h": 3600}


@dataclass(frozen=True)
class Timeframe:
    """Length of a bar; `Timeframe("1h")`. Raises ValueError for one that is not served, naming those that are."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in _TIMEFRAME_SECONDS:
            raise ValueError(f"timeframe {self.name!r} is not supported; choose one of {sorted(_TIMEFRAME_SECONDS)}")

    @property
    def seconds(self) -> int:
        """Length of one bar in seconds."""
        return _TIMEFRAME_SECONDS[self.name]

    @property
    def microseconds(self) -> int:
        """Length of one bar in microseconds."""
        return self.seconds * 1_000_000

    @property
    def delta(self) -> timedelta:
        """Length of one bar."""
        return timedelta(seconds=self.seconds)

    def floor(self, moment: datetime) -> datetime:
        """Open time of the bar that contains `moment`, UTC."""
        seconds = int(moment.timestamp())
        return datetime.fromtimestamp(seconds - seconds % self.seconds, tz=UTC)


@dataclass(frozen=True)
class Series:
    """One traded instrument; the market type is part of its identity."""

    symbol: str
    quote: str = "USDT"
    exchange: str = "binance"
    market: Market = "usdm-perp"

    @property
    def unique_id(self) -> str:
        """`binance:usdm-perp:BTC-USDT`."""
        return f"{self.exchange}:{self.market}:{self.symbol}-{self.quote}"

    @classmethod
    def parse(cls, unique_id: str) -> "Series":
        """Read a `unique_id` back; raise ValueError if it is not one."""
        exchange, _, rest = unique_id.partition(":")
        market, _, pair = rest.partition(":")
        symbol, _, quote = pair.partition("-")
        if market not in ("usdm-perp", "spot") or not (exchange and symbol and quote):
            raise ValueError(f"{unique_id!r} is no series id; expected exchange:market:SYMBOL-QUOTE")
        return cls(symbol=symbol, quote=quote, exchange=exchange, market="spot" if market == "spot" else "usdm-perp")
