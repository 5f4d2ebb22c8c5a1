"""The brain as a user walks it: the bodies of the specification, and a worker that is killed in between."""

from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

API = "/api/v1"
TASKS = [
    {"type": "image_generation", "params": {"prompt": "..."}},
    {"type": "crypto_prediction", "params": {"symbol": "ETH"}},
]


def _post(platform: Any, path: str, body: object = None, wait: int = 60, **headers: str) -> httpx.Response:
    given = {"Prefer": f"wait={wait}", **headers}
    return httpx.post(f"{platform.gateway}{API}{path}", json=body, headers=given, timeout=90)


def test_an_orchestration_runs_what_is_served_and_says_what_is_not(platform: Any) -> None:
    answer = _post(platform, "/orchestrate", {"tasks": TASKS, "priority": "high"})
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert (run["state"], run["reason"].partition(":")[0]) == ("failed", "partial")
    image, crypto = run["tasks"]
    assert image["state"] == "failed" and image["error"]["status"] == 503
    assert crypto["state"] == "succeeded" and len(crypto["result"]["forecast"]) == 24
    assert crypto["result"]["model_version"] == platform.champion()


def test_a_plan_is_proven_checked_and_simulated(platform: Any) -> None:
    body = {
        "objective": "Launch new product with integrated marketing campaign",
        "constraints": {"budget": 50000, "timeline": "30 days", "resources": {"cpu": 64, "gpu": 4}},
    }
    answer = _post(platform, "/l20/strategize", body)
    assert answer.status_code == 200, answer.text
    plan = answer.json()["result"]
    assert plan["status"] in ("optimal", "feasible") and plan["lower_bound"] <= plan["value"]
    assert plan["makespan_hours"] <= 30 * 24 and plan["cost_minor"] <= 5_000_000
    assert len(plan["critical_path"]) >= 2 and 0 <= plan["risk"]["on_time"]["probability"] <= 1
    ends = {task["id"]: task["end_hours"] for task in plan["tasks"]}
    assert all(ends[before] <= task["start_hours"] for task in plan["tasks"] for before in task["after"])
    assert plan["gantt_svg"].lstrip().startswith("<svg")


def test_tasks_are_put_in_an_order_with_reasons(platform: Any) -> None:
    tasks = [
        {"id": "task1", "type": "image_generation", "priority": "high"},
        {"id": "task2", "type": "crypto_prediction", "priority": "normal"},
    ]
    answer = _post(platform, "/l20/prioritize", {"tasks": tasks})
    assert answer.status_code == 200, answer.text
    assert {task["id"] for task in answer.json()["tasks"]} == {"task1", "task2"}


def test_domains_that_are_not_served_are_said_to_be(platform: Any) -> None:
    body = {
        "domains": ["image_generation", "video_generation", "marketing"],
        "task_specs": {
            "image_generation": {"prompt": "Product showcase", "resolution": "8K"},
            "marketing": {"campaign_type": "product_launch"},
        },
    }
    run = _post(platform, "/l20/coordinate", body).json()
    found = {name: one["status"] for name, one in run["result"].items()}
    assert found["image_generation"] == "unavailable" and found["video_generation"] in ("unavailable", "missing_spec")


def test_resources_and_metrics_answer_from_what_was_measured(platform: Any) -> None:
    answer = _post(platform, "/l20/optimize-resources")
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "succeeded", answer.text
    metrics = httpx.get(f"{platform.gateway}{API}/l20/metrics", timeout=30)
    assert metrics.status_code == 200 and metrics.json()


def test_a_killed_worker_costs_no_run(platform: Any, eventually: Any) -> None:
    tasks = [{"id": f"t{n}", "type": "crypto_prediction", "params": {"symbol": "BTC"}} for n in range(20)]
    for before, after in zip(tasks, tasks[1:], strict=False):
        after["depends_on"] = [before["id"]]
    made = _post(platform, "/orchestrate", {"tasks": tasks}, wait=0)
    where = f"{platform.gateway}{made.headers['location']}"
    assert eventually(lambda: httpx.get(where, timeout=30).json()["progress"]["done"] >= 3)
    old = platform.process("brain.worker")
    old.kill()
    assert eventually(lambda: httpx.get(where, timeout=30).json()["state"] == "succeeded")
    run = httpx.get(where, timeout=30).json()
    assert all(task["state"] == "succeeded" for task in run["tasks"])
    assert sum(task["attempt"] for task in run["tasks"]) <= 21, "only the step in flight was called again"
    assert platform.process("brain.worker").pid != old.pid
