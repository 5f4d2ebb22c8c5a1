"""Graphs of tasks through the gateway, up to their acceptance; what becomes of them is the engine's."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from brain.orchestration.submission import orchestration
from tests.support.specification import spec_body

PATH = "/api/v1/orchestrate"
BTC = {"type": "crypto_prediction", "params": {"symbol": "BTC"}}


@pytest.fixture
async def gateway(open_gateway: Callable[..., Any]) -> Any:
    return await open_gateway()


async def stored(gateway: Any, run_id: str) -> tuple[Any, Any]:
    return await gateway.services.runs.run(lambda store: (store.get(run_id), store.tasks(run_id)))


async def test_the_specs_body_is_accepted_as_it_stands(gateway: Any) -> None:
    answer = await gateway.client.post(PATH, json=spec_body(PATH))
    assert answer.status_code == 202, answer.text
    run = answer.json()
    assert answer.headers["location"] == f"/api/v1/runs/{run['id']}" == run["links"]["self"]
    assert (run["kind"], run["state"], run["priority"]) == ("orchestration", "queued", "high")
    assert [(task["id"], task["type"], task["after"]) for task in run["tasks"]] == [
        ("task1", "image_generation", []),
        ("task2", "crypto_prediction", []),
    ]
    assert (await gateway.client.get(run["links"]["self"])).json() == run


async def test_everything_that_a_task_asks_for_is_kept(gateway: Any) -> None:
    when = {"all": [{"ref": "${tasks.a.result.stale}", "op": "eq", "value": False}]}
    body = {
        "tasks": [
            {**BTC, "id": "a", "deadline_seconds": 30, "retries": {"max_attempts": 5}},
            {**BTC, "id": "b"},
            {
                "type": "fraud_analysis",
                "id": "c",
                "params": {"customer_id": "C1", "terminal_id": "T1", "amount_minor": "${tasks.b.result.last_price}"},
                "when": when,
                "on_unknown": "retry",
            },
        ],
        "deadline_seconds": 60,
        "budget": {"seconds": 10, "money_minor": 500},
    }
    answer = (await gateway.client.post(PATH, json=body)).json()
    assert answer["budget"] == {"seconds": 10, "money_minor": 500, "currency": "USD"}
    run, tasks = await stored(gateway, answer["id"])
    assert run.request == body
    assert abs(run.deadline - run.created_at - timedelta(seconds=60)) < timedelta(seconds=1)
    first, _, last = tasks
    retries = {"max_attempts": 5, "backoff_seconds": 1.0, "factor": 2.0, "max_backoff_seconds": 60.0}
    assert first.options["retries"] == retries
    deadline = datetime.fromisoformat(first.options["deadline"])
    assert abs(deadline - run.created_at - timedelta(seconds=30)) < timedelta(seconds=1)
    assert (last.after, last.options) == (("b", "a"), {"when": when, "on_unknown": "retry"})
    assert last.parameters["amount_minor"] == "${tasks.b.result.last_price}"
    assert (first.estimate_minor, first.estimate_seconds > 0) == (0, True)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"tasks": []}, "/tasks"),
        ({"tasks": [{"params": {}}]}, "/tasks/0/type"),
        ({"tasks": [{**BTC, "parms": {}}]}, "/tasks/0/parms"),
        ({"tasks": [{"type": "crypto_prediktion"}]}, "/tasks/0/type"),
        ({"tasks": [{"type": "crypto_prediction"}]}, "/tasks/0/params/symbol"),
        ({"tasks": [{**BTC, "id": "a", "depends_on": ["b"]}]}, "/tasks/0/depends_on/0"),
        ({"tasks": [{**BTC, "id": "task2"}, BTC]}, "/tasks/1/id"),
        ({"tasks": [{**BTC, "when": {"ref": "a", "op": "exists"}}]}, "/tasks/0/when"),
        ({"tasks": [{**BTC, "retries": {"max_attempts": 0}}]}, "/tasks/0/retries/max_attempts"),
        ({"tasks": [{**BTC, "on_unknown": "fail"}]}, "/tasks/0/on_unknown"),
        ({"tasks": [BTC], "priority": "urgent"}, "/priority"),
        ({"tasks": [BTC], "deadline_seconds": "60"}, "/deadline_seconds"),
        ({"tasks": [BTC], "deadline_seconds": 0}, "/deadline_seconds"),
        ({"tasks": [BTC], "budget": {}}, "/budget"),
        ({"tasks": [BTC], "budget": {"money_minor": 1, "currency": "EUR"}}, "/budget/currency"),
        ({"tasks": [BTC], "budget": {"money_minor": 1.5}}, "/budget/money_minor"),
        ({"tasks": [BTC], "prioritty": "high"}, "/prioritty"),
    ],
)
async def test_what_is_wrong_is_refused_with_a_pointer_and_nothing_is_accepted(
    gateway: Any, change: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.client.post(PATH, json=change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await gateway.client.get("/api/v1/runs")).json()["runs"] == []


async def test_a_body_that_nests_without_end_is_refused(gateway: Any) -> None:
    for depth in (300, 900):
        nested = '{"x":' * depth + "1" + "}" * depth
        text = f'{{"tasks": [{{"type": "image_generation", "params": {nested}}}]}}'
        answer = await gateway.client.post(PATH, content=text, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)


async def test_text_that_no_answer_could_hold_is_refused_where_it_stands(gateway: Any) -> None:
    tasks = r'[{"type": "swarm", "params": {"a": "\ud800", "b": {"\udc00": [1]}, "c": "\ud83d\ude00"}}]'
    headers = {"content-type": "application/json"}
    answer = await gateway.client.post(PATH, content=f'{{"tasks": {tasks}}}', headers=headers)
    assert answer.status_code == 422
    found = [error["pointer"] for error in answer.json()["errors"]]
    assert found == ["/tasks/0/params/a", "/tasks/0/params/b/\\udc00"]
    body = r'{"domains": ["swarm"], "task_specs": {"swarm": {"x": "\ud800"}}}'
    answer = await gateway.client.post("/api/v1/l20/coordinate", content=body, headers=headers)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/task_specs/swarm/x"]


async def test_only_large_graphs_are_checked_beside_the_loop(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    beside: list[bool] = []

    def seen(*given: Any) -> Any:
        beside.append(threading.current_thread() is not threading.main_thread())
        return orchestration(*given)

    monkeypatch.setattr("brain.api.orchestrate.orchestration", seen)
    large = {"type": "swarm", "params": {"x": "${tasks.task1.state}" * 48}}
    for tasks in ([BTC], [BTC, *[large] * 100]):
        assert (await gateway.client.post(PATH, json={"tasks": tasks})).status_code == 202
    assert beside == [False, True]


async def test_the_same_key_gives_the_same_run_and_another_body_is_a_conflict(gateway: Any) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await gateway.client.post(PATH, json={"tasks": [BTC]}, headers=headers)
    again = await gateway.client.post(PATH, json={"tasks": [BTC]}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    other = await gateway.client.post(PATH, json={"tasks": [BTC, BTC]}, headers=headers)
    assert (other.status_code, other.json()["run"]) == (409, first.json()["id"])
    assert len((await gateway.client.get("/api/v1/runs")).json()["runs"]) == 1


async def test_scopes_say_who_may_make_runs_and_which(open_gateway: Callable[..., Any]) -> None:
    gateway = await open_gateway(auth="required")

    async def status(*scopes: str, priority: str = "normal") -> int:
        headers = {"Authorization": f"Bearer {gateway.create_key(*scopes)}"}
        answer = await gateway.client.post(PATH, json={"tasks": [BTC], "priority": priority}, headers=headers)
        return int(answer.status_code)

    assert await status("predict") == 403
    assert await status("orchestrate") == 403
    assert await status("orchestrate", "predict") == 202
    assert await status("orchestrate", "predict", priority="critical") == 403
    assert await status("orchestrate", "predict", "critical", priority="critical") == 202
    assert await status("admin", priority="critical") == 202


async def test_a_thousand_tasks_are_accepted_within_the_limits_of_a_body(gateway: Any) -> None:
    tasks = [{**BTC, "id": f"t{number}", "depends_on": [f"t{number - 1}"] if number else []} for number in range(1000)]
    answer = await gateway.client.post(PATH, json={"tasks": tasks})
    assert answer.status_code == 202
    assert answer.json()["progress"]["total"] == 1000
    answer = await gateway.client.post(PATH, json={"tasks": [*tasks, BTC]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/tasks")


async def test_a_run_without_a_worker_stays_queued_for_as_long_as_one_waits(gateway: Any) -> None:
    answer = await gateway.client.post(PATH, json={"tasks": [BTC]}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.headers["preference-applied"] == "wait=1"


async def test_the_description_shows_conditions_and_both_answers(gateway: Any) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    operation = document["paths"][PATH]["post"]
    assert {"200", "202", "403", "409", "422"} <= set(operation["responses"])
    assert {"Idempotency-Key", "Prefer"} <= {one.get("name") for one in operation["parameters"]}
    assert "Condition" in document["components"]["schemas"]


async def test_a_graph_is_kept_on_postgresql_as_it_was_sent(
    open_gateway: Callable[..., Any], postgres_database: str
) -> None:
    gateway = await open_gateway(database_url=postgres_database)
    tasks = [
        {"type": "swarm", "params": {"text": "\x00 \u00e9 \U0001f600", "n": 10**30, "f": 0.1, "none": None}},
        {**BTC, "when": {"not": {"ref": "${tasks.task1.state}", "op": "eq", "value": "\x00"}}},
    ]
    answer = await gateway.client.post(PATH, json={"tasks": tasks}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    run, kept = await stored(gateway, answer.json()["id"])
    assert (run.request, kept[0].parameters) == ({"tasks": tasks}, tasks[0]["params"])
    again = await gateway.client.post(PATH, json={"tasks": tasks}, headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == run.id
