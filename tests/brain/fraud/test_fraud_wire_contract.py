"""What the gateway sends to the fraud predictor, and what the tests' wire server answers, are what is published."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

CONTRACTS = Path(__file__).resolve().parents[3] / "serving" / "contracts"


def golden(detector: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONTRACTS / f"fraud-{detector}" / f"{name}.json").read_text())
    return found


def described(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Name, type and shape of each output, features counted as F and classes as C."""
    outputs = {tensor["name"]: tensor for tensor in answer["outputs"]}
    sizes = {len(outputs["feature_names"]["data"]): "F"}
    if "attack_classes" in outputs:
        sizes[len(outputs["attack_classes"]["data"])] = "C"
    rows = outputs["probability"]["shape"][0]

    def shape(tensor: dict[str, Any]) -> list[object]:
        if tensor["name"] in ("thresholds", "state_sequences"):
            return list(tensor["shape"])
        return [
            rows if place == 0 and size == rows else sizes.get(size, size) for place, size in enumerate(tensor["shape"])
        ]

    return [{"name": name, "datatype": one["datatype"], "shape": shape(one)} for name, one in outputs.items()]


@pytest.mark.parametrize("name", ["v2-record", "v2-record-explained"])
def test_the_wire_server_answers_a_card_record_with_the_published_tensors(predictor: Any, name: str) -> None:
    published = golden("card", name)
    answer = httpx.post(f"{predictor.url}/v2/models/fraud-card/infer", json=published["request"], trust_env=False)
    found = {(one["name"], one["datatype"], len(one["shape"])) for one in described(answer.json())}
    wanted = {(one["name"], one["datatype"], len(one["shape"])) for one in published["response"]["outputs"]}
    assert found == wanted
    assert set(published["response"]["parameters"]) >= {"learner"} & set(answer.json()["parameters"])


async def test_a_card_case_is_sent_as_the_published_record(desk: Any, predictor: Any) -> None:
    card = {"customer_id": "C000001", "terminal_id": "T000001", "amount_minor": 900, "transaction_id": "A1"}
    await desk.client.post("/api/v1/fraud/analyze", json=card)
    await desk.client.post("/api/v1/fraud/feedback", json={"transaction_id": "A1", "fraud": True})
    await desk.client.post("/api/v1/fraud/analyze", json={**card, "transaction_id": "A2"})
    published = json.loads(golden("card", "v2-record")["request"]["inputs"][0]["data"][-1])
    (sent,) = predictor.predictor.fraud.records[-1]
    assert set(sent) == set(published) | {"recent"}
    kinds = {event["type"]: set(event) for event in published.get("recent", [])}
    for event in sent["recent"]:
        if event["type"] in kinds:
            assert set(event) == kinds[event["type"]]
    assert [event["type"] for event in sent["recent"]] == ["transaction", "label"]


@pytest.mark.parametrize("detector", ["card", "network", "crypto"])
def test_what_the_gateway_reads_of_the_metadata_is_published(detector: str) -> None:
    assert {"learner", "reference"} <= set(golden(detector, "metadata")["properties"])
