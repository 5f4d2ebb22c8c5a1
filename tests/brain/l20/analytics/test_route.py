from collections.abc import Callable
from typing import Any

from brain.runs import NewRun, NewTask, TaskChange
from brain.runs.presence import Beat

PATH = "/api/v1/l20/metrics"


def some_work(store: Any) -> None:
    """One run that ended, one that waits, and a worker."""
    store.create(NewRun("r1", "orchestration", "ann", {}, "d1", (NewTask("a", "toy", estimate_seconds=1.0),)))
    held = store.claim("w", 60, ["orchestration"])
    store.commit(held, [TaskChange("a", "running", 1)])
    store.commit(held, [TaskChange("a", "succeeded", 1, result=1)], state="succeeded")
    store.create(NewRun("r2", "plan", "bob", {}, "d2", (), "low"))
    store.beat(Beat("w", places=4))


async def test_the_request_of_the_specification_is_answered_before_any_work(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()
    answer = await opened.client.get(PATH)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["window_seconds"], document["runs"], document["recommendations"]) == (86_400, {}, [])
    assert document["queue"]["critical"] == {"depth": 0, "oldest_seconds": None}


async def test_the_work_of_all_callers_is_told(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()
    await opened.services.runs.run(some_work)
    document = (await opened.client.get(PATH, params={"window": "15m"})).json()
    assert document["window_seconds"] == 900
    assert document["runs"]["orchestration"] == {
        "succeeded": 1,
        "failed": 0,
        "cancelled": 0,
        "success_rate": 1.0,
        "per_hour": 4.0,
    }
    assert document["queue"]["low"]["depth"] == 1
    assert document["latency"]["task_seconds"]["toy"]["observed"] == 1
    assert document["plan_against_actual"]["toy"]["estimated_seconds"] == 1.0
    assert document["plan_against_actual"]["toy"]["learned_seconds"] is None
    assert document["utilisation"]["places"] == 4


async def test_a_recommendation_quotes_the_numbers_of_the_store(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()

    def wait(store: Any) -> None:
        store.create(NewRun("r1", "plan", "bob", {}, "d"))

    await opened.services.runs.run(wait)
    (advice,) = (await opened.client.get(PATH)).json()["recommendations"]
    assert advice["rule"] == "no_worker" and advice["numbers"] == {"queued": 1, "workers": 0}


async def test_prometheus_hears_of_it(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()
    await opened.services.runs.run(some_work)
    text = (await opened.client.get("/metrics")).text
    assert 'brain_queue_depth{priority="low"} 1.0' in text
    assert 'brain_task_seconds{quantile="p50",type="toy"}' in text


async def test_a_window_that_cannot_be_read_is_refused(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()
    for window in ("yesterday", "0s", "91d", "-1h", "1.5h"):
        answer = await opened.client.get(PATH, params={"window": window})
        assert answer.status_code == 422 and "window" in answer.json()["detail"], window


async def test_it_needs_the_scope_status(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway(auth="required")
    for scope, status in (("predict", 403), ("status", 200)):
        headers = {"X-API-Key": opened.create_key(scope)}
        assert (await opened.client.get(PATH, headers=headers)).status_code == status
