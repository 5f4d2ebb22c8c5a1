"""Asks the crypto predictor of a timeframe and reads its tensors into one typed row."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from brain.clients.errors import UpstreamProtocolError, UpstreamRefusedError, UpstreamUnavailableError
from brain.clients.kserve import InferAnswer, InferInput, KServeClient
from brain.deadline import Deadline
from components.crypto.series import Series, Timeframe
from runtime.problems import not_found

METADATA_SECONDS = 30.0
CANDLE_COLUMNS = 6

_T = TypeVar("_T")


@dataclass(frozen=True)
class Bar:
    """One closed candle; `opened_at` is Unix seconds, prices are in the quote currency."""

    opened_at: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    indicators: Mapping[str, float]


@dataclass(frozen=True)
class PredictorRow:
    """What the predictor says of one series.

    `quantiles[h][q]` is the cumulative log return of step h + 1 at `levels[q]`; both ascend.
    """

    as_of: datetime
    last_close: float
    levels: Sequence[float]
    quantiles: Sequence[Sequence[float]]
    indicators: Mapping[str, float]
    input_distance: float
    unusual_features: Sequence[str]
    history: Sequence[Bar]
    network: str
    model_version: str


@dataclass(frozen=True)
class Offer:
    """What a predictor's model can be asked for."""

    symbols: tuple[str, ...]
    market: str
    network: str
    model_version: str
    horizon_bars: int
    registered_name: str
    unique_ids: tuple[str, ...] = ()

    def unique_id(self, symbol: str) -> str:
        """The identity of a symbol's series: what the model says, or Binance's against USDT where it says nothing."""
        series = Series(symbol, market="spot" if self.market == "spot" else "usdm-perp")
        return next((known for known in self.unique_ids if f":{symbol}-" in known), series.unique_id)

    def symbol(self, asked: str) -> str:
        """The symbol in the model's own spelling; raise a 404 problem with the nearest where it knows none such."""
        known = {symbol.casefold(): symbol for symbol in self.symbols}.get(asked.casefold())
        if known is None:
            raise not_found("symbol", asked, self.symbols)
        return known


class CryptoPredictor:
    """The predictor of one timeframe; keeps what it offers for half a minute."""

    def __init__(self, timeframe: Timeframe, client: KServeClient) -> None:
        self.timeframe = timeframe
        self.model = f"crypto-forecast-{timeframe.name}"
        self.client = client
        self._offer: Offer | None = None
        self._offer_until = 0.0
        self._asking = asyncio.Lock()

    async def offer(self, deadline: Deadline) -> Offer:
        """What can be asked for; raise UpstreamError where the predictor cannot say."""
        if self._offer is not None and time.monotonic() < self._offer_until:
            return self._offer
        async with self._asking:
            if self._offer is None or time.monotonic() >= self._offer_until:
                self._offer = await self._ask_offer(deadline)
                self._offer_until = time.monotonic() + METADATA_SECONDS
            return self._offer

    def forget_offer(self) -> None:
        """Ask again next time: the predictor has said something that does not fit."""
        self._offer_until = 0.0

    async def predict(self, symbol: str, deadline: Deadline, *, history_bars: int = 0) -> PredictorRow:
        """Ask for one symbol.

        Raises:
            Problem: 404 for a symbol that the model does not know, with the nearest; UpstreamError as the client does.
        """
        parameters = {"history_bars": history_bars} if history_bars else None
        inputs = [InferInput("symbol", "BYTES", (1,), [symbol])]
        try:
            answer = await self.client.infer(self.model, inputs, deadline, parameters=parameters)
        except UpstreamRefusedError as error:
            if error.answered != 404:
                raise
            self.forget_offer()
            (await self.offer(deadline)).symbol(symbol)
            # The symbol is known, so it is the model that is not there, such as while its first version loads.
            raise UpstreamUnavailableError(error.service, error.reason) from error
        return read_row(answer, self.client.upstream.name, history=history_bars > 0)

    async def as_of(self, symbols: Sequence[str], deadline: Deadline) -> Sequence[datetime]:
        """The last closed bar of each symbol, asked in one call."""
        answer = await self.client.infer(
            self.model, [InferInput("symbol", "BYTES", (len(symbols),), list(symbols))], deadline
        )
        return [_moment(text, self.client.upstream.name) for text in answer.strings("as_of")]

    async def _ask_offer(self, deadline: Deadline) -> Offer:
        found = await self.client.metadata(self.model, deadline)
        horizon = found.text("horizon_bars")
        symbols = found.texts("symbols")
        if not symbols or not horizon.isdigit():
            got = f"symbols {found.text('symbols')[:80]!r} and horizon_bars {horizon[:20]!r}"
            raise UpstreamProtocolError(self.client.upstream.name, f"expected symbols and a horizon, got {got}")
        return Offer(
            symbols=symbols,
            market=found.text("market"),
            network=found.text("network"),
            model_version=found.versions[-1] if found.versions else "",
            horizon_bars=int(horizon),
            registered_name=found.text("registered_name") or self.model,
            unique_ids=found.texts("unique_ids"),
        )


def read_row(answer: InferAnswer, service: str, *, history: bool) -> PredictorRow:
    """Read the only row of an answer; raise UpstreamProtocolError where it is not what the wire contract says."""
    names = answer.strings("indicator_names")
    values = answer.floats("indicators", rank=2)
    levels = answer.floats("quantile_levels", rank=1)
    return PredictorRow(
        as_of=_moment(_only(answer.strings("as_of"), "as_of", service), service),
        last_close=_only(answer.floats("last_close", rank=1).data, "last_close", service),
        levels=levels.data,
        quantiles=_quantiles(answer, len(levels.data), service),
        indicators=_named(names, values.data, service),
        input_distance=_only(answer.floats("input_distance", rank=1).data, "input_distance", service),
        unusual_features=_names(_only(answer.strings("unusual_features"), "unusual_features", service), service),
        history=_history(answer, names, service) if history else (),
        network=answer.text_parameter("network"),
        model_version=answer.model_version,
    )


def _quantiles(answer: InferAnswer, width: int, service: str) -> list[Sequence[float]]:
    quantiles = answer.floats("quantiles", rank=3)
    rows, steps, found = quantiles.shape
    if rows != 1 or steps < 1 or found != width:
        raise UpstreamProtocolError(
            service, f"expected quantiles of shape [1, H, {width}], got {list(quantiles.shape)}"
        )
    return [quantiles.row(0, step) for step in range(steps)]


def _history(answer: InferAnswer, names: Sequence[str], service: str) -> list[Bar]:
    candles = answer.floats("candles", rank=3)
    indicators = answer.floats("indicator_history", rank=3)
    bars = candles.shape[1]
    if candles.shape != (1, bars, CANDLE_COLUMNS) or indicators.shape != (1, bars, len(names)):
        got = f"{list(candles.shape)} and {list(indicators.shape)}"
        raise UpstreamProtocolError(
            service, f"expected candles [1, T, 6] and indicators [1, T, {len(names)}], got {got}"
        )
    found = []
    for bar in range(bars):
        opened_at, opening, high, low, close, volume = candles.row(0, bar)
        named = dict(zip(names, indicators.row(0, bar), strict=True))
        found.append(Bar(opened_at, opening, high, low, close, volume, named))
    return found


def _named(names: Sequence[str], values: Sequence[float], service: str) -> Mapping[str, float]:
    if len(names) != len(values):
        raise UpstreamProtocolError(service, f"expected {len(names)} indicators, got {len(values)}")
    return dict(zip(names, values, strict=True))


def _names(text: str, service: str) -> Sequence[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UpstreamProtocolError(service, "output 'unusual_features' is not JSON") from error
    if not isinstance(found, list):
        raise UpstreamProtocolError(service, "output 'unusual_features' is not a list")
    return [str(name) for name in found]


def _moment(text: str, service: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UpstreamProtocolError(service, f"as_of {text[:40]!r} is no RFC 3339 time") from error
    if moment.tzinfo is None:
        raise UpstreamProtocolError(service, f"as_of {text[:40]!r} has no time zone")
    return moment


def _only(values: Sequence[_T], name: str, service: str) -> _T:
    if len(values) != 1:
        raise UpstreamProtocolError(service, f"expected one value of {name!r}, got {len(values)}")
    return values[0]
