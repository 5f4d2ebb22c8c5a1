"""From the request to the result: a gateway and a worker, each a process, on one state folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

PATH = "/api/v1/l20/optimize-resources"
SERVICE = {
    "name": "crypto-forecast-1h",
    "arrival_per_second": 40,
    "service_seconds": 0.05,
    "cpu": 1,
    "memory_gb": 1,
    "min_replicas": 1,
    "max_replicas": 8,
    "latency_target_seconds": 0.25,
}
BODY = {"capacity": {"cpu": 16, "memory_gb": 64}, "services": [SERVICE]}


def test_a_request_is_answered_with_its_allocation(worker: None, client: httpx.Client) -> None:
    answer = client.post(PATH, json=BODY)
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert (run["kind"], run["state"]) == ("allocation", "succeeded"), run
    result = run["result"]
    assert result["status"] == "optimal"
    (service,) = result["after"]["services"]
    assert service["serves_demand"] and service["latency_seconds"] <= 0.25
    assert result["after"]["services"][0]["replicas"] > result["before"]["services"][0]["replicas"] == 1


def test_the_specs_request_without_a_body_measures_and_says_what_it_measured(
    worker: None, client: httpx.Client
) -> None:
    answer = client.post(PATH)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    names = {one["name"] for one in result["after"]["services"]}
    assert names == {"crypto-forecast-1h", "fraud-detection"}
    sources = {one["name"]: one["source"] for one in result["evidence"]}
    assert "this machine" in sources["capacity"]
    assert names <= set(sources)
    assert result["capacity"]["cpu"] >= 1


def test_applying_outside_a_cluster_changes_nothing_and_says_why(worker: None, client: httpx.Client) -> None:
    result = client.post(PATH, json={**BODY, "apply": True}).json()["result"]
    assert result["applied"] is False and "single process" in result["application"]["reason"]


async def test_applying_needs_the_scope_admin(open_gateway: Callable[..., Any], tmp_path: Path) -> None:
    opened = await open_gateway(auth="required")
    orchestrate = {"X-API-Key": opened.create_key("orchestrate"), "Prefer": "respond-async"}
    admin = {**orchestrate, "X-API-Key": opened.create_key("admin")}
    apply = {**BODY, "apply": True}
    assert (await opened.client.post(PATH, json=apply, headers=orchestrate)).status_code == 403
    assert (await opened.client.post(PATH, json=BODY, headers=orchestrate)).status_code == 202
    assert (await opened.client.post(PATH, json=apply, headers=admin)).status_code == 202


async def test_every_wrong_place_is_pointed_at(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({**BODY, "capacity": {"cpu": -1}}, "/capacity/cpu"),
        ({**BODY, "capacity": {"tpu": 1}}, "/capacity/tpu"),
        ({**BODY, "services": []}, "/services"),
        ({**BODY, "services": [{**SERVICE, "min_replicas": 9}]}, "/services/0"),
        ({**BODY, "services": [{**SERVICE, "service_seconds": 0}]}, "/services/0/service_seconds"),
        ({**BODY, "services": [{**SERVICE, "name": "A/b"}]}, "/services/0/name"),
        ({**BODY, "services": [{**SERVICE, "latency_quantile": 1}]}, "/services/0/latency_quantile"),
        ({**BODY, "services": [SERVICE, SERVICE]}, ""),
    ]
    for body, pointer in wrong:
        answer = await opened.client.post(PATH, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


async def test_the_same_key_and_body_make_one_run_although_what_is_measured_differs(
    open_gateway: Callable[..., Any],
) -> None:
    opened = await open_gateway()
    headers = {"Idempotency-Key": "k1", "Prefer": "respond-async"}
    first = await opened.client.post(PATH, headers=headers)
    second = await opened.client.post(PATH, headers=headers)
    other = await opened.client.post(PATH, json=BODY, headers=headers)
    assert first.status_code == 202 and first.json()["id"] == second.json()["id"]
    assert other.status_code == 409
