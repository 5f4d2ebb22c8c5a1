"""Bodies of the crypto routes."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from feature_repo.crypto import HORIZON_BARS, WINDOW_BARS

MAX_SYMBOL_CHARACTERS = 20

Interval = tuple[float, float]
"""Lower and upper price."""


def _whole(value: object, least: int, most: int) -> object:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"must be a whole number of bars from {least} to {most}")
    return value


class PredictRequest(BaseModel):
    """What to forecast."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"symbol": "BTC", "timeframe": "1h", "prediction_horizon": 24}]}
    )

    symbol: str = Field(
        min_length=1,
        max_length=MAX_SYMBOL_CHARACTERS,
        pattern=r"^[A-Za-z0-9]+$",
        description="a coin, in any case; see `/api/v1/crypto/symbols`",
        examples=["BTC"],
    )
    timeframe: str = Field(default="1h", max_length=10, description="length of a bar")
    prediction_horizon: Annotated[
        int, BeforeValidator(lambda value: _whole(value, 1, HORIZON_BARS)), Field(ge=1, le=HORIZON_BARS)
    ] = Field(default=HORIZON_BARS, description="how many bars ahead")
    history_bars: Annotated[
        int, BeforeValidator(lambda value: _whole(value, 0, WINDOW_BARS)), Field(ge=0, le=WINDOW_BARS)
    ] = Field(default=0, description="how many past bars to return with their indicators")


class Step(BaseModel):
    """The price at one bar's close."""

    step: int = Field(description="bars ahead, from 1")
    time: datetime = Field(description="close of that bar, UTC")
    median: float = Field(description="the price that is passed with probability one half")
    intervals: dict[str, Interval] = Field(
        description="central intervals by their probability in percent: 50, 80, 95",
        examples=[{"50": [99_800.0, 100_200.0], "80": [99_500.0, 100_500.0], "95": [99_000.0, 101_000.0]}],
    )
    probability_up: float = Field(ge=0, le=1, description="probability of a price above `last_price`")
    expected_volatility: float = Field(ge=0, description="standard deviation of the log return from `last_price`")


class ForecastWarning(BaseModel):
    """Why the forecast deserves less trust than usual."""

    code: str = Field(examples=["stale", "unlike_training"])
    detail: str


class HistoryBar(BaseModel):
    """One past bar."""

    time: datetime = Field(description="open of the bar, UTC")
    open: float
    high: float
    low: float
    close: float
    volume: float
    indicators: dict[str, float]


class PredictResponse(BaseModel):
    """A price distribution for every bar ahead."""

    model_config = ConfigDict(protected_namespaces=())

    symbol: str
    unique_id: str = Field(examples=["binance:usdm-perp:BTC-USDT"])
    timeframe: str
    prediction_horizon: int
    as_of: datetime = Field(description="close of the last complete bar that the forecast knows, UTC")
    age_seconds: float = Field(description="how long ago that was")
    stale: bool
    last_price: float
    model: str
    network: str = Field(description="`lstm`, `transformer`, or `har` where the baseline serves")
    model_version: str
    forecast: list[Step]
    indicators: dict[str, float]
    warnings: list[ForecastWarning]
    history: list[HistoryBar]


class Symbols(BaseModel):
    """What one timeframe can be asked for."""

    model_config = ConfigDict(protected_namespaces=())

    timeframe: str
    symbols: list[str]
    market: str
    network: str
    model: str
    model_version: str
    longest_horizon: int


class SymbolList(BaseModel):
    """Everything that can be asked for."""

    timeframes: list[Symbols]
