"""The wire contract, as published in `serving/contracts/`, is what a real process speaks, by every protocol."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, RESTConfig
from predictor_kit import MODEL
from predictor_process import Running

from runtime.settings import REPOSITORY_ROOT
from tests.support.published import kserve_request

CONTRACTS = REPOSITORY_ROOT / "serving" / "contracts" / MODEL
EXCHANGES = ("symbol", "symbol-with-history", "window")

Document = dict[str, object]


def golden(name: str) -> Document:
    content: Document = json.loads((CONTRACTS / f"{name}.json").read_text())
    return content


def described(tensors: list[Document]) -> list[Document]:
    return [{key: one[key] for key in ("name", "datatype", "shape")} for one in tensors]


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("raw", [False, True])
async def test_the_exchange_is_the_published_one_by_rest_and_grpc(predictor: Running, name: str, raw: bool) -> None:
    exchange = golden(f"v2-{name}")
    response: Document = exchange["response"]  # type: ignore[assignment]
    request = kserve_request(MODEL, exchange, raw)
    async with InferenceGRPCClient(predictor.grpc_target) as grpc_client:
        by_grpc = await grpc_client.infer(request)
    request = kserve_request(MODEL, exchange, raw)
    request.parameters["binary_data_output"] = raw
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as rest_client:
        by_rest = await rest_client.infer(predictor.url, request, model_name=MODEL)
    for answer in (by_grpc, by_rest):
        seen = [{"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in answer.outputs]
        assert seen == described(response["outputs"])  # type: ignore[arg-type]
        assert sorted(answer.parameters) == response["parameters"]
        for output in answer.outputs:
            assert list(output.as_numpy().shape) == list(output.shape)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_v2_answer_has_the_published_fields(predictor: Running, name: str) -> None:
    exchange = golden(f"v2-{name}")
    request: Document = json.loads(json.dumps(exchange["request"]))
    for tensor in request["inputs"]:  # type: ignore[attr-defined]
        tensor.setdefault("data", np.zeros(tensor["shape"]).ravel().tolist())
    answer = httpx.post(predictor.infer_url, json=request).raise_for_status().json()
    assert sorted(answer) == exchange["response"]["fields"]  # type: ignore[index]
    assert answer["model_version"] == "1"


def test_the_v1_exchange_is_the_published_one(predictor: Running) -> None:
    exchange = golden("v1-symbol")
    answer = httpx.post(predictor.predict_url, json=exchange["request"]).raise_for_status().json()
    response: Document = exchange["response"]  # type: ignore[assignment]
    assert sorted(answer) == response["fields"]
    for row in answer["predictions"]:
        assert {name: list(np.shape(value)) for name, value in row.items()} == response["prediction"]


def test_the_metadata_is_the_published_one(predictor: Running) -> None:
    published = golden("metadata")
    answer = httpx.get(f"{predictor.url}/v2/models/{MODEL}").raise_for_status().json()
    assert answer["inputs"] == published["inputs"]
    assert answer["outputs"] == published["outputs"]
    assert sorted(answer["properties"]) == published["properties"]
    assert sorted(answer) == published["fields"]


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_tensor_of_an_exchange_fits_the_published_metadata(name: str) -> None:
    metadata = golden("metadata")
    exchange = golden(f"v2-{name}")
    for side, tensors in (("inputs", exchange["request"]["inputs"]), ("outputs", exchange["response"]["outputs"])):  # type: ignore[index]
        specs = {one["name"]: one for one in metadata[side]}  # type: ignore[attr-defined]
        for one in tensors:
            spec = specs[one["name"]]
            assert one["datatype"] == spec["datatype"]
            assert len(one["shape"]) == len(spec["shape"])
            assert all(want in (-1, size) for want, size in zip(spec["shape"], one["shape"], strict=True))


@pytest.mark.parametrize("status", [400, 404, 413, 422, 504])
def test_errors_have_the_published_form(predictor: Running, status: int) -> None:
    published = golden("errors")
    case = next(one for one in published["cases"] if one["status"] == status)  # type: ignore[attr-defined]
    content = bytes(int(case["zeros"])) if "zeros" in case else json.dumps(case["body"]).encode()
    answer = httpx.post(predictor.infer_url, content=content, headers=case.get("headers", {}))
    assert answer.status_code == status
    assert list(answer.json()) == published["fields"]


def test_nothing_is_published_that_no_test_reads() -> None:
    read = {f"v2-{name}" for name in EXCHANGES} | {"v1-symbol", "metadata", "errors"}
    assert {Path(file).stem for file in CONTRACTS.iterdir()} == read
