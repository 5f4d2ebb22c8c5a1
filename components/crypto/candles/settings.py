"""Settings of candle ingestion; every field is an environment variable with the prefix `CANDLES_`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.crypto.series import Market

SHIPPED_CANDLES = Path(__file__).resolve().parent.parent / "data" / "candles_1h.parquet"

SourceName = Literal["recorded", "exchange", "coingecko"]


class CandleSettings(BaseSettings):
    """Which source candles come from and how it is asked."""

    model_config = SettingsConfigDict(env_prefix="CANDLES_", frozen=True, extra="ignore")

    source: SourceName = "recorded"
    """`recorded` needs no network; `exchange` and `coingecko` are live."""

    since: AwareDatetime = datetime(2023, 1, 1, tzinfo=UTC)
    """Open time of the oldest candle that is ingested."""

    overlap_bars: int = Field(default=3, ge=1, le=500)
    """Bars before the end of what is stored that are asked for again, since a source may revise its latest ones."""

    page_bars: int = Field(default=1000, ge=1, le=5000)
    """Largest page that a live source is asked for; a kill loses at most one page."""

    max_retries: int = Field(default=5, ge=0, le=20)
    """Further attempts after a failed one."""

    retry_initial_seconds: float = Field(default=0.5, gt=0, le=60)
    """Wait before the first further attempt; doubles with each, with jitter."""

    retry_max_seconds: float = Field(default=60.0, gt=0, le=600)
    """Longest wait between attempts; a source that asks for a longer one is given up."""

    timeout_seconds: float = Field(default=15.0, gt=0, le=120)
    """Longest wait for one answer."""

    recorded_path: Path = SHIPPED_CANDLES
    """Parquet with the columns of table `candles`, for `recorded`."""

    recorded_page_bars: int = Field(default=10_000, ge=1)
    """Page of a recording; larger than a live one, since no time is lost when it is read again."""

    exchange_id: str = "binanceusdm"
    """ccxt's name of the exchange, for `exchange`."""

    exchange_url: str = ""
    """Address that replaces scheme and host of the exchange's API; empty means the exchange itself."""

    exchange_market: Market = "usdm-perp"
    """Market type: `usdm-perp` is a linear perpetual swap settled in the quote currency."""

    exchange_quote: str = "USDT"
    """Quote currency."""

    exchange_rate_limit_ms: int | None = Field(default=None, ge=1, le=60_000)
    """Milliseconds between requests of weight one; empty means ccxt's own value for the exchange."""

    coingecko_url: str = ""
    """API root, for `coingecko`; empty means `COINGECKO_BASE_URL` or else CoinGecko itself."""

    coingecko_pro_api_key: SecretStr = SecretStr("")
    """Key of a paid plan, which hourly ranges need."""

    coingecko_demo_api_key: SecretStr = SecretStr("")
    """Key of a demo plan."""

    coingecko_currency: str = "usd"
    """Currency that prices are in."""

    coingecko_ids: dict[str, str] = {}
    """Further symbols and their CoinGecko ids, such as `{"PEPE": "pepe"}`."""

    coingecko_requests_per_minute: int = Field(default=30, ge=1, le=1000)
    """Requests a minute that the plan allows."""
