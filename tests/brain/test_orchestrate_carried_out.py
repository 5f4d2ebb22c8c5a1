"""Graphs of tasks from the request to the result: a gateway and a worker, each a process, on one state folder."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.specification import spec_body

pytestmark = pytest.mark.usefixtures("worker")

ORCHESTRATE, COORDINATE = "/api/v1/orchestrate", "/api/v1/l20/coordinate"
BTC = {"type": "crypto_prediction", "params": {"symbol": "BTC"}}
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200}


@pytest.fixture
def predictor(module_predictor: Any) -> Iterator[Any]:
    """What the predictor answers in this test."""
    yield module_predictor.predictor
    module_predictor.predictor.answer = None
    module_predictor.predictor.seen.clear()


def ended(client: httpx.Client, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The run once it has ended."""
    answer = client.post(path, json=body, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tasks_of(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["id"]: task for task in run["tasks"]}


def test_the_specs_tasks_end_as_they_can_and_the_run_says_which_did_not(client: httpx.Client) -> None:
    run = ended(client, ORCHESTRATE, spec_body(ORCHESTRATE))
    assert (run["state"], run["reason"].split(":")[0]) == ("failed", "partial")
    first, second = run["tasks"]
    assert (first["state"], first["error"]["status"], first["error"]["type"]) == ("failed", 503, "not-served")
    assert (second["state"], second["result"]["symbol"], len(second["result"]["forecast"])) == ("succeeded", "ETH", 24)
    assert run["result"] == {"task2": second["result"]}


def test_the_specs_domains_answer_as_unavailable(client: httpx.Client) -> None:
    run = ended(client, COORDINATE, spec_body(COORDINATE))
    assert (run["kind"], run["state"], run["reason"]) == ("coordination", "failed", "nothing_served")
    assert {name: one["status"] for name, one in run["result"].items()} == {
        "image_generation": "unavailable",
        "video_generation": "unavailable",
        "marketing": "unavailable",
    }


def test_domains_that_are_served_run_side_by_side_and_the_others_are_told(client: httpx.Client) -> None:
    body = {
        "domains": ["crypto", "fraud_analysis", "marketing"],
        "task_specs": {"crypto": {"crypto_prediction": {"symbol": "ETH"}}, "fraud_analysis": CARD},
    }
    run = ended(client, COORDINATE, body)
    found = run["result"]
    assert (run["state"], found["marketing"]["status"]) == ("succeeded", "unavailable")
    assert found["crypto"]["tasks"]["crypto_prediction"]["result"]["symbol"] == "ETH"
    decision = found["fraud_analysis"]["result"]
    assert client.get(f"/api/v1/fraud/decisions/{decision['id']}").json()["decision"] == decision["decision"]


def test_results_flow_into_parameters_and_conditions(client: httpx.Client) -> None:
    seen = {"ref": "${tasks.short.result.prediction_horizon}", "op": "eq", "value": 3}
    run = ended(
        client,
        ORCHESTRATE,
        {
            "tasks": [
                {"type": "crypto_prediction", "id": "short", "params": {"symbol": "eth", "prediction_horizon": 3}},
                {
                    "type": "crypto_prediction",
                    "id": "same",
                    "params": {
                        "symbol": "${tasks.short.result.symbol}",
                        "prediction_horizon": "${tasks.short.result.forecast.1.step}",
                    },
                },
                {
                    "type": "fraud_analysis",
                    "id": "case",
                    "params": {**CARD, "transaction_id": "for-${tasks.same.result.symbol}-${tasks.short.state}"},
                    "when": seen,
                },
                {**BTC, "id": "never", "when": {"not": seen}},
                {**BTC, "id": "nor", "depends_on": ["never"]},
            ]
        },
    )
    assert run["state"] == "succeeded", run
    tasks = tasks_of(run)
    assert tasks["same"]["result"]["prediction_horizon"] == 2
    assert tasks["case"]["result"]["transaction_id"] == "for-ETH-succeeded"
    assert (tasks["never"]["state"], tasks["never"]["error"]) == ("skipped", None)
    assert tasks["nor"]["state"] == "skipped"


def test_a_reference_that_leads_nowhere_ends_its_task_with_the_nearest_name(client: httpx.Client) -> None:
    lost = {"type": "crypto_prediction", "id": "b", "params": {"symbol": "${tasks.a.result.symbl}"}}
    wrong = {"type": "crypto_prediction", "id": "c", "params": {"symbol": "${tasks.a.result.last_price}"}}
    run = ended(client, ORCHESTRATE, {"tasks": [{**BTC, "id": "a"}, lost, wrong]})
    tasks = tasks_of(run)
    assert (tasks["b"]["state"], tasks["b"]["error"]["status"]) == ("failed", 422)
    assert "did you mean 'symbol'?" in tasks["b"]["error"]["detail"]
    assert (tasks["c"]["state"], tasks["c"]["error"]["status"]) == ("failed", 422)
    assert tasks["c"]["error"]["errors"][0]["pointer"] == "/symbol"


def test_a_way_out_of_a_failure_is_taken(client: httpx.Client) -> None:
    failed = {"ref": "${tasks.a.state}", "op": "eq", "value": "failed"}
    run = ended(
        client,
        ORCHESTRATE,
        {
            "tasks": [
                {"type": "crypto_prediction", "id": "a", "params": {"symbol": "NOSUCHCOIN"}},
                {**BTC, "id": "instead", "when": failed},
                {**BTC, "id": "then", "depends_on": ["a"]},
            ]
        },
    )
    tasks = tasks_of(run)
    assert (tasks["a"]["error"]["status"], tasks["a"]["attempt"]) == (404, 1)
    assert (tasks["instead"]["state"], tasks["then"]["state"]) == ("succeeded", "skipped")
    assert (run["state"], run["reason"].split(":")[0]) == ("failed", "partial")


def test_a_retry_calls_again_only_what_has_not_succeeded(client: httpx.Client, predictor: Any) -> None:
    def away_for_frauds(path: str) -> tuple[int, dict[str, str], bytes] | None:
        if path.startswith("/v2/models/fraud-"):
            return 503, {"content-type": "application/json"}, b'{"error": "resting"}'
        return None

    predictor.answer = away_for_frauds
    once = {"max_attempts": 1}
    case = {"type": "fraud_analysis", "id": "case", "params": CARD, "depends_on": ["price"], "retries": once}
    first = ended(client, ORCHESTRATE, {"tasks": [{**BTC, "id": "price"}, case]})
    assert (first["state"], tasks_of(first)["case"]["error"]["status"]) == ("failed", 503)
    predictor.answer = None
    predictor.seen.clear()
    again = ended(client, first["links"]["retry"])
    assert (again["state"], again["retry_of"]) == ("succeeded", first["id"])
    tasks = tasks_of(again)
    assert tasks["price"]["reused"] and tasks["price"]["result"] == tasks_of(first)["price"]["result"]
    assert not tasks["case"]["reused"]
    assert [path for _, path, _, _ in predictor.seen if "crypto" in path and path.endswith("/infer")] == []
    answer = client.post(again["links"]["self"] + "/retry")
    assert answer.status_code == 409
