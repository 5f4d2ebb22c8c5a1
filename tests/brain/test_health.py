"""Probes, the state of the parts, metrics, the API's description, and what every answer has in common."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

PREDICT = "/api/v1/crypto/predict"
FRAUD = {"fraud-card", "fraud-network", "fraud-crypto", "fraud features", "fraud alerts"}


async def parts_of(gateway: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    status = (await gateway.client.get("/status")).json()
    return status, {part["name"]: part for part in status["parts"]}


async def test_health_asks_nobody(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    answer = await gateway.client.get("/health")
    assert answer.status_code == 200 and answer.json()["status"] == "alive"


async def test_ready_does_not_depend_on_predictors_but_on_draining(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    assert (await gateway.client.get("/ready")).json() == {"status": "ready"}
    gateway.services.draining = True
    answer = await gateway.client.get("/ready")
    assert answer.status_code == 503 and answer.headers["retry-after"]


async def test_status_shows_each_part_with_version_address_and_age_of_its_data(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, public_mlflow_url="https://mlflow.example.com/")
    status, parts = await parts_of(gateway)
    assert status["state"] == "up" and set(parts) == {"gateway", "crypto-forecast-1h", "mlflow", "brain-worker", *FRAUD}
    served = parts["crypto-forecast-1h"]
    assert (served["version"], served["address"], served["model"]["network"]) == ("3", predictor.url, "lstm")
    assert served["model"]["link"] == "https://mlflow.example.com/#/models/crypto-forecast-1h/versions/3"
    assert datetime.fromisoformat(served["data"]["as_of"]) == predictor.predictor.as_of
    assert 0 <= served["data"]["age_seconds"] < 3700 and served["data"]["stale"] is False
    assert parts["mlflow"]["version"] == "3.17.2" and parts["mlflow"]["address"] == predictor.url
    assert parts["gateway"]["uptime_seconds"] >= 0


async def test_a_part_that_is_down_is_an_entry_with_its_reason_not_an_error(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    status, parts = await parts_of(gateway)
    assert status["state"] == "down"
    assert parts["crypto-forecast-1h"]["state"] == "down" and "no connection" in parts["crypto-forecast-1h"]["detail"]
    assert parts["mlflow"]["state"] == "down" and parts["gateway"]["state"] == "up"


async def test_without_mlflow_forecasts_go_on_and_the_whole_is_degraded(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url, mlflow_url="http://127.0.0.1:9")
    assert (await parts_of(gateway))[0]["state"] == "degraded"
    assert (await gateway.client.post(PREDICT, json={"symbol": "BTC"})).status_code == 200


async def test_old_data_degrades_the_predictor(open_gateway: Callable[..., Any], predictor: Any) -> None:
    predictor.predictor.as_of = datetime.now(UTC) - timedelta(days=3)
    status, parts = await parts_of(await open_gateway(predictor.url))
    assert status["state"] == "degraded"
    assert parts["crypto-forecast-1h"]["state"] == "degraded" and "3 days" in parts["crypto-forecast-1h"]["detail"]


async def test_a_new_version_shows_at_once(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url)
    await parts_of(gateway)
    predictor.predictor.version, predictor.predictor.network = "4", "transformer"
    served = (await parts_of(gateway))[1]["crypto-forecast-1h"]
    assert (served["version"], served["model"]["network"]) == ("4", "transformer")
    found = (await gateway.client.post(PREDICT, json={"symbol": "BTC"})).json()
    assert (found["model_version"], found["network"]) == ("4", "transformer")


async def test_many_who_ask_for_the_status_cost_one_look(open_gateway: Callable[..., Any], predictor: Any) -> None:
    import anyio

    gateway = await open_gateway(predictor.url, status_cache_seconds=60)
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(gateway.client.get, "/status")
    assert sum(path == "/version" for _, path, _, _ in predictor.predictor.seen) == 1


async def test_metrics_count_requests_by_route_and_never_by_raw_path(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = await open_gateway(predictor.url)
    await gateway.client.post(PREDICT, json={"symbol": "BTC"})
    await gateway.client.post(PREDICT, json={"symbol": "NOPE"})
    for number in range(3):
        await gateway.client.get(f"/nothing/{number}")
    answer = await gateway.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    labels = f'method="POST",route="{PREDICT}",service="gateway"'
    assert f'aio_http_requests_total{{{labels},status="200"}} 1.0' in answer.text
    assert f'aio_http_requests_total{{{labels},status="404"}} 1.0' in answer.text
    assert 'route="unmatched",service="gateway",status="404"} 3.0' in answer.text
    assert "/nothing" not in answer.text
    assert "process_cpu_seconds_total" in answer.text
    assert 'brain_upstream_seconds_count{outcome="ok",service="the crypto predictor (1h)"}' in answer.text


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
async def test_a_callers_request_id_comes_back(open_gateway: Callable[..., Any], given: str) -> None:
    gateway = await open_gateway()
    assert (await gateway.client.get("/health", headers={"X-Request-ID": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "<script>"])
async def test_an_id_that_could_do_harm_is_replaced(open_gateway: Callable[..., Any], given: str) -> None:
    gateway = await open_gateway()
    answered = (await gateway.client.get("/health", headers={"X-Request-ID": given})).headers["x-request-id"]
    assert answered != given and len(answered) == 32


async def test_an_unknown_path_is_a_problem_that_names_the_nearest(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    answer = await gateway.client.get("/api/v1/crypto/symbol")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert "did you mean /api/v1/crypto/symbols" in answer.json()["detail"]


async def test_the_description_is_valid_and_names_every_error_of_a_forecast(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    document = (await gateway.client.get("/openapi.json")).json()
    operation = document["paths"][PREDICT]["post"]
    assert {"200", "400", "401", "403", "404", "413", "422", "429", "502", "503", "504"} <= set(operation["responses"])
    assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/health"]["get"]["security"] == []
    for reference in references(document):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind], reference


async def test_the_examples_of_the_description_are_answered(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url)
    schemas = (await gateway.client.get("/openapi.json")).json()["components"]["schemas"]
    for example in schemas["PredictRequest"]["examples"]:
        assert (await gateway.client.post(PREDICT, json=example)).status_code == 200


async def test_the_description_page_needs_nothing_from_elsewhere(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    page = (await gateway.client.get("/docs")).text
    assert "http://" not in page and "https://" not in page and "<script>" not in page
    for path in ("/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css", "/static/docs.js"):
        assert path in page
        assert (await gateway.client.get(path)).status_code == 200


def references(value: object) -> list[str]:
    """Every `$ref` of a JSON document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


def test_references_are_found_at_any_depth() -> None:
    assert references(json.loads('{"a": [{"$ref": "#/x/y"}], "b": {"$ref": "#/z"}}')) == ["#/x/y", "#/z"]
