"""Requests that are drawn from the API's own description: nothing breaks, and every answer is as described."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
from schemathesis import GenerationMode, checks  # noqa: E402 - only where it is there

EXAMPLES = 8
"""Of each operation and mode."""

UPSTREAM_AWAY = (502, 503, 504)
"""The only server errors that a description may name."""

AS_DESCRIBED = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
)

CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 90_000}
TASK = {"tasks": [{"type": "crypto_prediction", "params": {"symbol": "BTC"}}]}


@pytest.fixture(scope="module")
def described(gateway: Any) -> Any:
    """The description that a running gateway gives of itself, and where to find it."""
    return schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")


@pytest.fixture(scope="module")
def known(gateway: Any) -> Mapping[str, str]:
    """Ids of things that are there; the run has ended, so that its stream ends too."""
    with gateway.client() as client:
        decision = client.post("/api/v1/fraud/analyze", json=CARD).json()
        run = client.post("/api/v1/orchestrate", json=TASK).json()["id"]
        assert client.delete(f"/api/v1/runs/{run}").status_code == 202
    return {"decision_id": decision["id"], "alert_id": decision["alert"]["id"], "run_id": run}


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_is_as_described(described: Any, known: Mapping[str, str], mode: str, subtests: Any) -> None:
    seen: Counter[int] = Counter()

    def ask(case: Any) -> None:
        if mode == "positive":
            case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        response = case.call(headers={"Prefer": "respond-async"}, timeout=30)
        seen[response.status_code] += 1
        assert response.status_code < 500 or response.status_code in UPSTREAM_AWAY, response.text
        case.validate_response(response, checks=AS_DESCRIBED)

    bounded = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    for found in described.get_all_operations():
        operation = found.ok()
        drawn = given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
        with subtests.test(operation.label):
            bounded(drawn(ask))()
    told = {200, 202, 409} if mode == "positive" else {400, 404, 422}
    assert told <= set(seen), f"the drawn requests do not come far: {seen}"
