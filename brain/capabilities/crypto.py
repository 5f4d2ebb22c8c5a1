"""Forecasts as tasks."""

from collections.abc import Mapping
from datetime import UTC, datetime

from brain.api.crypto_answer import ForecastLimits
from brain.api.crypto_forecast import forecast
from brain.api.crypto_models import PredictRequest
from brain.capabilities.parts import Parts
from brain.capabilities.port import Answer, Call, Capability, Estimate

FORECAST_SECONDS, HISTORY_BAR_SECONDS = 0.05, 0.0006
"""Half of all forecasts of 24 steps take this long while 16 are asked for at a time, and so much more for each past bar
(docs/benchmarks.md)."""


def capabilities(parts: Parts) -> tuple[Capability, ...]:
    """`crypto_prediction`, answered as by `/api/v1/crypto/predict`."""

    async def predict(call: Call) -> Answer:
        asked = PredictRequest.model_validate(call.parameters)
        limits = ForecastLimits(parts.settings.stale_after_seconds, parts.settings.unusual_distance)
        found = await forecast(asked, parts.predictors, limits, call.deadline, datetime.now(UTC))
        return Answer(found.model_dump(mode="json"))

    return (
        Capability(
            type="crypto_prediction",
            title="Price distribution of a coin",
            domain="crypto",
            parameters=PredictRequest,
            estimate=_estimate,
            resources={"cpu": 1.0, "memory_gb": 0.5},
            handler=predict,
            scope="predict",
        ),
    )


def _estimate(parameters: Mapping[str, object]) -> Estimate:
    bars = parameters.get("history_bars")
    return Estimate(FORECAST_SECONDS + HISTORY_BAR_SECONDS * (bars if isinstance(bars, int) else 0))
