"""Crypto forecasts."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request

from brain.api.crypto_answer import ForecastLimits
from brain.api.crypto_forecast import forecast
from brain.api.crypto_models import PredictRequest, PredictResponse, SymbolList, Symbols
from brain.api.problem_model import problems
from brain.crypto.predictor import CryptoPredictor
from brain.deadline import Deadline
from brain.json_body import JsonRoute
from brain.security.principal import require
from brain.services import services_of

router = APIRouter(prefix="/api/v1/crypto", tags=["crypto"], route_class=JsonRoute)


@router.post(
    "/predict",
    summary="Forecast the price of a coin",
    responses=problems(400, 401, 403, 404, 413, 415, 422, 429, 502, 503, 504),
)
async def predict(body: PredictRequest, request: Request) -> PredictResponse:
    """Calibrated distributions of the price at the close of each of the next bars.

    Intervals are central: half, four in five and nineteen in twenty prices are expected inside. `stale` and `warnings`
    say when the forecast rests on old or unusual data.
    """
    services = services_of(request)
    principal = require(request, "predict")
    await services.limiter.hit("predict", principal.id)
    limits = ForecastLimits(services.settings.stale_after_seconds, services.settings.unusual_distance)
    return await forecast(body, services.predictors, limits, request.state.deadline, datetime.now(UTC))


@router.get("/symbols", summary="List what can be forecast", responses=problems(401, 403, 429, 502, 503, 504))
async def symbols(request: Request) -> SymbolList:
    """Coins by timeframe, with the model that answers."""
    services = services_of(request)
    require(request, "predict")
    deadline: Deadline = request.state.deadline
    found = await asyncio.gather(*(_symbols(predictor, deadline) for predictor in services.predictors.values()))
    return SymbolList(timeframes=list(found))


async def _symbols(predictor: CryptoPredictor, deadline: Deadline) -> Symbols:
    offer = await predictor.offer(deadline)
    return Symbols(
        timeframe=predictor.timeframe.name,
        symbols=list(offer.symbols),
        market=offer.market,
        network=offer.network,
        model=offer.registered_name,
        model_version=offer.model_version,
        longest_horizon=offer.horizon_bars,
    )
