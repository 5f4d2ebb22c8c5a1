"""Real clients against a real predictor process."""

import httpx
import kserve
import numpy as np
import pytest
from kserve import InferInput, InferRequest, RESTConfig
from predictor_kit import FEATURES, MODEL, UNIQUE_IDS, expected_quantiles, window
from predictor_process import Running

from feature_repo.crypto import QUANTILE_LEVELS, WINDOW_BARS

ROWS = np.random.default_rng(1).normal(0, 1, (3, WINDOW_BARS, FEATURES)).astype(np.float32)


def symbols(*names: str, binary: bool) -> InferInput:
    tensor = InferInput("symbol", [len(names)], "BYTES")
    tensor.set_data_from_numpy(np.array(names, np.object_), binary_data=binary)
    return tensor


def windows(binary: bool) -> InferInput:
    tensor = InferInput("window", list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary)
    return tensor


@pytest.mark.parametrize("raw_in", [False, True])
@pytest.mark.parametrize("raw_out", [False, True])
async def test_the_rest_client_gets_the_models_quantiles_for_a_tensor(
    predictor: Running, raw_in: bool, raw_out: bool
) -> None:
    request = InferRequest(MODEL, [windows(raw_in)], "id-1", parameters={"binary_data_output": raw_out})
    async with kserve.InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        answer = await client.infer(predictor.url, request, model_name=MODEL)
    outputs = {output.name: output.as_numpy() for output in answer.outputs}
    np.testing.assert_allclose(outputs["quantiles"], expected_quantiles(ROWS), atol=1e-6)
    np.testing.assert_allclose(outputs["quantile_levels"], QUANTILE_LEVELS, atol=1e-6)
    assert answer.id == "id-1"
    assert answer.parameters["network"] == "lstm"


@pytest.mark.parametrize("raw", [False, True])
async def test_the_rest_client_gets_forecast_and_context_for_symbols(predictor: Running, raw: bool) -> None:
    request = InferRequest(MODEL, [symbols("btc", "SOL", binary=raw)], parameters={"history_bars": 24})
    async with kserve.InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        answer = await client.infer(predictor.url, request, model_name=MODEL)
    outputs = {output.name: output.as_numpy() for output in answer.outputs}
    stored = [window(UNIQUE_IDS[0]), window(UNIQUE_IDS[2])]
    np.testing.assert_allclose(
        outputs["quantiles"], expected_quantiles(np.stack([s.window for s in stored])), atol=1e-6
    )
    np.testing.assert_allclose(outputs["last_close"], [s.last_close for s in stored])
    assert outputs["candles"].shape == (2, 24, 6)
    np.testing.assert_allclose(outputs["candles"][1], stored[1].candles[-24:])
    assert outputs["indicator_history"].shape == (2, 24, 12)
    np.testing.assert_allclose(outputs["indicator_history"][:, -1], outputs["indicators"])


async def test_the_v1_client_gets_a_prediction_per_instance(predictor: Running) -> None:
    async with kserve.InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        answer = await client.infer(
            predictor.url, {"instances": [{"symbol": "BTC"}, {"symbol": "eth"}]}, model_name=MODEL
        )
        assert await client.is_model_ready(predictor.url, MODEL)
    assert answer["model_name"] == MODEL
    assert answer["model_version"] == "1"
    assert len(answer["predictions"]) == 2
    first = answer["predictions"][0]
    np.testing.assert_allclose(first["quantiles"], expected_quantiles(window(UNIQUE_IDS[0]).window[None])[0], atol=1e-6)
    assert isinstance(first["unusual_features"], list)
    assert len(first["indicators"]) == len(first["indicator_names"]) == 12


@pytest.mark.parametrize("raw", [False, True])
async def test_the_grpc_client_gets_the_same_answer_raw_or_typed(predictor: Running, raw: bool) -> None:
    async with kserve.InferenceGRPCClient(predictor.grpc_target) as client:
        by_window = await client.infer(InferRequest(MODEL, [windows(raw)], "id-2"))
        by_symbol = await client.infer(InferRequest(MODEL, [symbols("BTC", binary=raw)], "id-3"))
        assert await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
    np.testing.assert_allclose(by_window.outputs[0].as_numpy(), expected_quantiles(ROWS), atol=1e-6)
    assert by_window.model_version == "1"
    assert by_window.parameters["network"].string_param == "lstm"
    outputs = {output.name: output.as_numpy() for output in by_symbol.outputs}
    np.testing.assert_allclose(outputs["quantiles"], expected_quantiles(window(UNIQUE_IDS[0]).window[None]), atol=1e-6)
    assert outputs["indicators"].shape == (1, 12)


def test_cloud_events_are_answered_by_kserves_own_route(predictor: Running) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "test",
        "ce-type": "forecast",
        "Content-Type": "application/json",
    }
    body = {"instances": [{"symbol": "BTC"}]}
    answer = httpx.post(predictor.predict_url, json=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["ce-type"] == "io.kserve.inference.response"
    assert answer.json()["model_version"] == "1"
    body["instances"][0]["symbol"] = "BTCC"
    refused = httpx.post(predictor.predict_url, json=body, headers=headers)
    assert refused.status_code == 404
    assert "did you mean 'BTC'" in refused.json()["error"]


def test_what_prometheus_is_told_names_the_version_and_the_age_of_the_data(predictor: Running) -> None:
    assert httpx.post(predictor.predict_url, json={"instances": [{"symbol": "BTC"}]}).status_code == 200
    answer = httpx.get(predictor.url + "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    label = f'model="{MODEL}"'
    assert float(samples[f'predictor_requests_total{{{label},protocol="v1",status="200"}}']) >= 1
    assert float(samples[f'predictor_request_seconds_count{{{label},protocol="v1"}}']) >= 1
    assert float(samples[f"predictor_batch_rows_count{{{label}}}"]) >= 1
    assert float(samples[f"predictor_ready{{{label}}}"]) == 1
    assert float(samples[f"predictor_waiting_rows{{{label}}}"]) == 0
    assert 0 <= float(samples[f"predictor_feature_age_seconds{{{label}}}"]) < 2 * 3600
    served = [name for name in samples if name.startswith("predictor_model_info{")]
    assert any('version="1"' in name and 'network="lstm"' in name for name in served)
