from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from brain.capabilities import Answer, Call, build_registry
from brain.deadline import Deadline
from brain.worker.parts import WorkerParts, open_parts
from runtime.problems import Problem


@pytest.fixture
async def gateway(open_gateway: Callable[..., Any], predictor: Any) -> Any:
    return await open_gateway(predictor.url)


@pytest.fixture
async def parts(gateway: Any) -> AsyncIterator[WorkerParts]:
    async with open_parts(gateway.services.settings, CollectorRegistry()) as opened:
        yield opened


async def predict(parts: WorkerParts, parameters: dict[str, object]) -> Answer:
    handler = build_registry(parts).get("crypto_prediction").handler
    assert handler is not None
    return await handler(Call("run_1", "t", "ann", "run_1/t", parameters, Deadline.after(10)))


async def test_a_task_gives_what_the_route_gives(gateway: Any, parts: WorkerParts) -> None:
    body = {"symbol": "eth", "prediction_horizon": 3, "history_bars": 2}
    by_route = (await gateway.client.post("/api/v1/crypto/predict", json=body)).json()
    found = (await predict(parts, body)).result
    assert isinstance(found, dict)
    assert {**found, "age_seconds": 0} == {**by_route, "age_seconds": 0}


async def test_the_spec_needs_no_more_than_a_symbol(parts: WorkerParts) -> None:
    found = (await predict(parts, {"symbol": "ETH"})).result
    assert isinstance(found, dict)
    assert (found["timeframe"], found["prediction_horizon"], len(found["forecast"])) == ("1h", 24, 24)


async def test_an_unknown_symbol_ends_the_task_with_the_nearest(parts: WorkerParts) -> None:
    with pytest.raises(Problem) as refused:
        await predict(parts, {"symbol": "ETHX"})
    assert refused.value.status == 404 and "did you mean 'ETH'" in refused.value.detail


async def test_a_timeframe_that_nobody_serves_is_refused(parts: WorkerParts) -> None:
    with pytest.raises(Problem) as refused:
        await predict(parts, {"symbol": "ETH", "timeframe": "5m"})
    assert (refused.value.status, refused.value.extensions["allowed"]) == (422, ["1h"])


async def test_a_predictor_that_is_away_is_worth_another_try(
    open_gateway: Callable[..., Any], free_port: Callable[[], int]
) -> None:
    gateway = await open_gateway(f"http://127.0.0.1:{free_port()}")
    async with open_parts(gateway.services.settings, CollectorRegistry()) as parts:
        with pytest.raises(Problem) as away:
            await predict(parts, {"symbol": "ETH"})
    assert away.value.status == 503
