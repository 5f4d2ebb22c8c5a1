"""What the gateway sends, and what the tests' wire server answers, are what the predictor publishes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

GOLDEN = Path(__file__).resolve().parents[2] / "serving" / "contracts" / "crypto-forecast-1h"
MODEL = "crypto-forecast-1h"


def golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", ["v2-symbol", "v2-symbol-with-history"])
def test_the_wire_server_answers_as_the_predictor_publishes(predictor: Any, name: str) -> None:
    published = golden(name)
    answer = httpx.post(f"{predictor.url}/v2/models/{MODEL}/infer", json=published["request"], trust_env=False).json()
    assert sorted(answer) == published["response"]["fields"]
    assert sorted(answer["parameters"]) == published["response"]["parameters"]
    found = [{key: tensor[key] for key in ("name", "datatype", "shape")} for tensor in answer["outputs"]]
    assert found == published["response"]["outputs"]


def test_the_wire_server_describes_itself_as_the_predictor_publishes(predictor: Any) -> None:
    published = golden("metadata")
    answer = httpx.get(f"{predictor.url}/v2/models/{MODEL}", trust_env=False).json()
    assert sorted(answer) == published["fields"]
    assert sorted(answer["properties"]) == published["properties"]


async def test_the_gateway_asks_as_the_predictor_publishes(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url)
    await gateway.client.post("/api/v1/crypto/predict", json={"symbol": "btc", "history_bars": 48})
    sent = next(body for _, path, _, body in predictor.predictor.seen if path.endswith("/infer"))
    assert json.loads(sent) == golden("v2-symbol-with-history")["request"]
