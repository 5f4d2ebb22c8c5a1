"""The wire contract of the detectors, as published in `serving/contracts/`, is what a real process speaks."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, RESTConfig
from predictor_process import RunningFraud

from components.fraud.detectors import DETECTORS
from runtime.settings import REPOSITORY_ROOT
from tests.support.published import kserve_request

CONTRACTS = REPOSITORY_ROOT / "serving" / "contracts"
EXCHANGES = ("v2-record", "v2-record-explained", "v2-features")
PAIRS = [(detector, name) for detector in DETECTORS for name in EXCHANGES]

Document = dict[str, object]


def golden(detector: str, name: str) -> Document:
    """A published file, with the number of features that its `F` stands for."""
    text = (CONTRACTS / f"fraud-{detector}" / f"{name}.json").read_text()
    content: Document = json.loads(text.replace('"F"', str(len(DETECTORS[detector].feature_names))))
    return content


@pytest.mark.parametrize(("detector", "name"), PAIRS)
@pytest.mark.parametrize("raw", [False, True])
async def test_the_exchange_is_the_published_one_by_rest_and_grpc(
    fraud: RunningFraud, detector: str, name: str, raw: bool
) -> None:
    exchange = golden(detector, name)
    response: Document = exchange["response"]  # type: ignore[assignment]
    async with InferenceGRPCClient(fraud.grpc_target) as grpc_client:
        by_grpc = await grpc_client.infer(kserve_request(f"fraud-{detector}", exchange, raw))
    request = kserve_request(f"fraud-{detector}", exchange, raw)
    request.parameters["binary_data_output"] = raw
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as rest_client:
        by_rest = await rest_client.infer(fraud.url, request, model_name=f"fraud-{detector}")
    values = []
    for answer in (by_grpc, by_rest):
        seen = [{"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in answer.outputs]
        assert seen == response["outputs"]
        assert sorted(answer.parameters) == response["parameters"]
        values.append({one.name: one.as_numpy() for one in answer.outputs})
    for output in ("probability", "score", "features", "thresholds"):
        np.testing.assert_allclose(values[0][output].astype(float), values[1][output].astype(float), rtol=1e-6)


@pytest.mark.parametrize(("detector", "name"), PAIRS)
def test_the_v2_answer_has_the_published_fields(fraud: RunningFraud, detector: str, name: str) -> None:
    exchange = golden(detector, name)
    request: Document = exchange["request"]  # type: ignore[assignment]
    for tensor in request["inputs"]:  # type: ignore[attr-defined]
        tensor.setdefault("data", np.zeros(tensor["shape"]).ravel().tolist())
    answer = httpx.post(f"{fraud.url}/v2/models/fraud-{detector}/infer", json=request).raise_for_status().json()
    assert sorted(answer) == exchange["response"]["fields"]  # type: ignore[index]
    assert answer["model_version"] == "1"


@pytest.mark.parametrize("detector", list(DETECTORS))
def test_the_v1_exchange_is_the_published_one(fraud: RunningFraud, detector: str) -> None:
    exchange = golden(detector, "v1-record")
    url = f"{fraud.url}/v1/models/fraud-{detector}:predict"
    answer = httpx.post(url, json=exchange["request"]).raise_for_status().json()
    response: Document = exchange["response"]  # type: ignore[assignment]
    assert sorted(answer) == response["fields"]
    assert len(answer["predictions"]) == 2
    for row in answer["predictions"]:
        assert {name: list(np.shape(value)) for name, value in row.items()} == response["prediction"]


@pytest.mark.parametrize("detector", list(DETECTORS))
def test_the_metadata_is_the_published_one(fraud: RunningFraud, detector: str) -> None:
    published = golden(detector, "metadata")
    answer = httpx.get(f"{fraud.url}/v2/models/fraud-{detector}").raise_for_status().json()
    assert answer["inputs"] == published["inputs"]
    assert answer["outputs"] == published["outputs"]
    assert sorted(answer["properties"]) == published["properties"]
    assert sorted(answer) == published["fields"]
    assert set(answer["properties"]["reference"]["inputs"]) == set(answer["properties"]["feature_names"])


@pytest.mark.parametrize(("detector", "number"), [(name, number) for name in DETECTORS for number in range(5)])
def test_errors_have_the_published_form(fraud: RunningFraud, detector: str, number: int) -> None:
    published = golden(detector, "errors")
    case = published["cases"][number]  # type: ignore[index]
    content = bytes(int(case["zeros"])) if "zeros" in case else json.dumps(case.get("body")).encode()
    if "zero_rows" in case:
        shape = [case["zero_rows"], len(DETECTORS[detector].feature_names)]
        zeros = [0] * (shape[0] * shape[1])
        tensor = {"name": "features", "datatype": "FP32", "shape": shape, "data": zeros}
        content = json.dumps({"inputs": [tensor]}).encode()
    url = f"{fraud.url}/v2/models/fraud-{detector}/infer"
    answer = httpx.post(url, content=content, headers=case.get("headers", {}), timeout=30)
    assert answer.status_code == case["status"]
    assert list(answer.json()) == published["fields"]
    assert case.get("says", "") in answer.json()["error"]


@pytest.mark.parametrize("detector", list(DETECTORS))
def test_nothing_is_published_that_no_test_reads(detector: str) -> None:
    read = {*EXCHANGES, "v1-record", "metadata", "errors"}
    assert {Path(file).stem for file in (CONTRACTS / f"fraud-{detector}").iterdir()} == read
