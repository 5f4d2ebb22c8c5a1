"""Retrying a run: a new one of the same request, by those who may make runs."""

from collections.abc import Callable
from typing import Any

import pytest

from brain.runs import NewRun, TaskChange
from brain.runs.ids import new_run_id

RUNS, ORCHESTRATE = "/api/v1/runs", "/api/v1/orchestrate"
BITCOIN = {"type": "crypto_prediction", "params": {"symbol": "BTC"}}
KINDS = ("orchestration",)


async def failed(gateway: Any, **options: Any) -> str:
    """The id of a run whose first task succeeded and whose second one failed."""
    body = {"tasks": [{"id": "a", **BITCOIN}, {"id": "b", **BITCOIN, "depends_on": ["a"]}]}
    answer = await gateway.client.post(ORCHESTRATE, json=body, **options)
    assert answer.status_code == 202, answer.text
    claimed = gateway.services.runs.ask(lambda store: store.claim("w", 30, KINDS))
    changes = [TaskChange("a", "succeeded", result={"median": 1}), TaskChange("b", "failed", error={"status": 503})]
    gateway.services.runs.ask(lambda store: store.commit(claimed, changes, state="failed", reason="partial"))
    return str(answer.json()["id"])


async def test_a_failed_run_is_retried_with_what_has_succeeded(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    earlier = (await gateway.client.get(f"{RUNS}/{await failed(gateway)}")).json()
    answer = await gateway.client.post(earlier["links"]["retry"], headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202 and answer.headers["location"] == answer.json()["links"]["self"]
    run = answer.json()
    assert (run["state"], run["retry_of"]) == ("queued", earlier["id"]) and run["id"] != earlier["id"]
    assert [(task["state"], task["reused"], task["result"]) for task in run["tasks"]] == [
        ("succeeded", True, {"median": 1}),
        ("waiting", False, None),
    ]
    assert all(type(task["reused"]) is bool for task in run["tasks"])
    again = await gateway.client.post(earlier["links"]["retry"], headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == run["id"]
    assert (await gateway.client.get(f"{RUNS}/{earlier['id']}")).json() == earlier


async def test_what_has_not_failed_or_has_no_tasks_is_a_409(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway()
    queued = (await gateway.client.post(ORCHESTRATE, json={"tasks": [BITCOIN]})).json()
    assert "retry" not in queued["links"]
    refused = await gateway.client.post(f"{RUNS}/{queued['id']}/retry")
    assert refused.status_code == 409 and "queued" in refused.json()["detail"]
    plan = NewRun(new_run_id(), "plan", "address:127.0.0.1", {}, "d")
    gateway.services.runs.ask(lambda store: store.create(plan))
    gateway.services.runs.ask(lambda store: store.ask_cancel(plan.id))
    refused = await gateway.client.post(f"{RUNS}/{plan.id}/retry")
    assert refused.status_code == 409 and refused.json()["kind"] == "plan"


@pytest.mark.parametrize(("scopes", "status"), [(("runs",), 403), (("orchestrate",), 404), (("admin",), 202)])
async def test_only_who_may_make_runs_retries_and_only_what_he_sees(
    open_gateway: Callable[..., Any], scopes: tuple[str, ...], status: int
) -> None:
    gateway = await open_gateway(auth="required")
    own = {"Authorization": f"Bearer {gateway.create_key('runs', 'orchestrate', 'predict')}"}
    run_id = await failed(gateway, headers=own)
    another = {"Authorization": f"Bearer {gateway.create_key(*scopes)}"}
    answer = await gateway.client.post(f"{RUNS}/{run_id}/retry", headers=another)
    assert answer.status_code == status
    if status == 202:
        assert (await gateway.client.get(answer.headers["location"], headers=own)).status_code == 200


async def test_a_critical_run_is_retried_by_who_may_make_critical_ones(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(auth="required")
    for scopes, status in ((("orchestrate", "predict"), 403), (("orchestrate", "predict", "critical"), 202)):
        key = gateway.create_key(*scopes)
        request = {"tasks": [BITCOIN], "priority": "critical"}
        new = NewRun(new_run_id(), "orchestration", gateway.id_of(key), request, "d", priority="critical")
        gateway.services.runs.ask(lambda store: store.create(new))  # noqa: B023
        gateway.services.runs.ask(lambda store: store.ask_cancel(new.id))  # noqa: B023
        headers = {"Authorization": f"Bearer {key}"}
        answer = await gateway.client.post(f"{RUNS}/{new.id}/retry", headers=headers)
        assert answer.status_code == status, answer.text
