"""The way of a forecast, for the route and for tasks alike."""

from collections.abc import Mapping
from datetime import datetime

from brain.api.crypto_answer import ForecastLimits, compose
from brain.api.crypto_models import PredictRequest, PredictResponse
from brain.crypto.predictor import CryptoPredictor
from brain.deadline import Deadline
from runtime.problems import FieldError, Problem


async def forecast(
    asked: PredictRequest,
    predictors: Mapping[str, CryptoPredictor],
    limits: ForecastLimits,
    deadline: Deadline,
    now: datetime,
) -> PredictResponse:
    """Ask the predictor of the timeframe and put the answer together.

    Raises:
        Problem: 422 for a timeframe that nobody serves, 404 for a symbol that the model does not know, and the errors
            of the predictor's client.
    """
    predictor = predictor_of(asked.timeframe, predictors)
    offer = await predictor.offer(deadline)
    symbol = offer.symbol(asked.symbol)
    row = await predictor.predict(symbol, deadline, history_bars=asked.history_bars)
    return compose(row, predictor, offer, symbol=symbol, horizon=asked.prediction_horizon, limits=limits, now=now)


def predictor_of(timeframe: str, predictors: Mapping[str, CryptoPredictor]) -> CryptoPredictor:
    """The predictor of a timeframe; raise a 422 problem where there is none."""
    predictor = predictors.get(timeframe)
    if predictor is None:
        served = sorted(predictors)
        detail = f"timeframe {timeframe!r} is not supported; choose one of {served}"
        error = FieldError("/timeframe", detail)
        raise Problem(422, detail=f"/timeframe: {detail}", errors=[error], extensions={"allowed": served})
    return predictor
