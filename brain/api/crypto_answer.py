"""From a predictor's quantiles of log returns to the answer that a caller reads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from brain.api.crypto_models import ForecastWarning, HistoryBar, PredictResponse, Step
from brain.clients.errors import UpstreamProtocolError
from brain.crypto.age import in_words
from brain.crypto.predictor import Bar, CryptoPredictor, Offer, PredictorRow
from components.crypto.distribution import DistributionError, price_forecast

MAX_NAMED_FEATURES = 5
LEVEL_DIGITS = 6
"""Levels travel as FP32; rounded they are themselves again."""

_priced = lru_cache(maxsize=4096)(price_forecast)
"""A coin's quantiles change once a bar and are asked for many times; pricing 24 steps costs more than all the rest."""


@dataclass(frozen=True)
class ForecastLimits:
    """Beyond what a forecast comes with a warning."""

    stale_after_seconds: float
    unusual_distance: float


def compose(
    row: PredictorRow,
    predictor: CryptoPredictor,
    offer: Offer,
    *,
    symbol: str,
    horizon: int,
    limits: ForecastLimits,
    now: datetime,
) -> PredictResponse:
    """Put an answer together.

    Args:
        row: What the predictor said.
        predictor: Who said it.
        offer: What it can be asked for.
        symbol: The coin, in the model's spelling.
        horizon: How many steps to return.
        limits: When to warn.
        now: The wall clock.

    Raises:
        UpstreamProtocolError: The answer lacks a step that was asked for, or its numbers are those of no forecast.
    """
    service = predictor.client.upstream.name
    if len(row.quantiles) < horizon:
        raise UpstreamProtocolError(service, f"expected at least {horizon} steps, got {len(row.quantiles)}")
    age = max(0.0, (now - row.as_of).total_seconds())
    stale = age > limits.stale_after_seconds
    as_of = row.as_of.astimezone(UTC)
    return PredictResponse(
        symbol=symbol,
        unique_id=offer.unique_id(symbol),
        timeframe=predictor.timeframe.name,
        prediction_horizon=horizon,
        as_of=as_of,
        age_seconds=round(age, 3),
        stale=stale,
        last_price=row.last_close,
        model=offer.registered_name,
        network=row.network or offer.network,
        model_version=row.model_version or offer.model_version,
        forecast=_steps(row, predictor, horizon),
        indicators=dict(row.indicators),
        warnings=_warnings(row, age, stale, limits),
        history=[_bar(bar) for bar in row.history],
    )


def _steps(row: PredictorRow, predictor: CryptoPredictor, horizon: int) -> list[Step]:
    levels = tuple(round(level, LEVEL_DIGITS) for level in row.levels)
    steps = []
    for number, quantiles in enumerate(row.quantiles[:horizon], start=1):
        try:
            priced = _priced(levels, tuple(quantiles), row.last_close)
        except DistributionError as error:
            reason = f"step {number} is no distribution: {error}"
            raise UpstreamProtocolError(predictor.client.upstream.name, reason) from error
        steps.append(
            Step(
                step=number,
                time=row.as_of.astimezone(UTC) + number * predictor.timeframe.delta,
                median=priced.median,
                intervals=dict(priced.intervals),
                probability_up=priced.probability_up,
                expected_volatility=priced.expected_volatility,
            )
        )
    return steps


def _bar(bar: Bar) -> HistoryBar:
    return HistoryBar(
        time=datetime.fromtimestamp(bar.opened_at, UTC),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        indicators=dict(bar.indicators),
    )


def _warnings(row: PredictorRow, age_seconds: float, stale: bool, limits: ForecastLimits) -> list[ForecastWarning]:
    found = []
    if stale:
        detail = (
            f"the last complete bar closed {in_words(age_seconds)} ago; beyond "
            f"{in_words(limits.stale_after_seconds)} the forecast describes a market that has moved on"
        )
        found.append(ForecastWarning(code="stale", detail=detail))
    if row.unusual_features or row.input_distance > limits.unusual_distance:
        names = ", ".join(row.unusual_features[:MAX_NAMED_FEATURES]) or "none alone"
        more = len(row.unusual_features) - MAX_NAMED_FEATURES
        detail = (
            f"the input is unlike the training data: it lies {row.input_distance:.1f} standard deviations out; outside "
            f"the usual range: {names}{f' and {more} more' if more > 0 else ''}"
        )
        found.append(ForecastWarning(code="unlike_training", detail=detail))
    return found
