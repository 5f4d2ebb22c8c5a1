import json
from collections.abc import Callable
from typing import Any

import pytest

PATH = "/api/v1/l20/prioritize"
SPEC = {
    "tasks": [
        {"id": "task1", "type": "image_generation", "priority": "high"},
        {"id": "task2", "type": "crypto_prediction", "priority": "normal"},
    ]
}


async def ask(open_gateway: Callable[..., Any], body: object, **settings: Any) -> Any:
    opened = await open_gateway(**settings)
    return await opened.client.post(PATH, json=body)


async def test_the_body_of_the_specification_is_answered_in_order_with_reasons(
    open_gateway: Callable[..., Any],
) -> None:
    answer = await ask(open_gateway, SPEC)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert [(task["rank"], task["id"]) for task in document["tasks"]] == [(1, "task1"), (2, "task2")]
    assert document["count"] == 2
    for task in document["tasks"]:
        assert abs(sum(task["contributions"].values()) - task["own_score"]) < 1e-5
    assert [task["duration_from"] for task in document["tasks"]] == ["unknown", "estimate"]


async def test_a_cycle_is_refused_and_named(open_gateway: Callable[..., Any]) -> None:
    tasks = [
        {"id": "a", "type": "crypto_prediction", "depends_on": ["c"]},
        {"id": "b", "type": "crypto_prediction", "depends_on": ["a"]},
        {"id": "c", "type": "crypto_prediction", "depends_on": ["b"]},
        {"id": "d", "type": "crypto_prediction", "depends_on": ["c"]},
    ]
    answer = await ask(open_gateway, {"tasks": tasks})
    assert answer.status_code == 422
    assert sorted(answer.json()["cycle"]) == ["a", "b", "c"]
    assert answer.json()["errors"][0]["pointer"] == "/tasks/0/depends_on"


async def test_every_wrong_place_is_pointed_at(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway()
    known = {"type": "crypto_prediction"}
    wrong: list[tuple[list[object], str]] = [
        ([{**known, "id": "a"}, {**known, "id": "a"}], "/tasks/0/id"),
        ([{**known, "id": "a", "depends_on": ["b"]}], "/tasks/0/depends_on/0"),
        ([{**known, "id": "a"}, {"id": "b", "type": "crypto_predicton"}], "/tasks/1/type"),
        ([{**known, "id": "a", "value": -1}], "/tasks/0/value"),
        ([{**known, "id": "a", "deadline": "2026-01-01T00:00:00"}], "/tasks/0/deadline"),
        ([{**known, "id": "a", "colour": 1}], "/tasks/0/colour"),
        ([{**known, "id": "a", "resources": {"tpu": 1}}], "/tasks/0/resources/tpu"),
        ([*({**known, "id": str(n)} for n in range(1500)), {**known}], "/tasks/1500/id"),
        ([], "/tasks"),
    ]
    for tasks, pointer in wrong:
        answer = await opened.client.post(PATH, json={"tasks": tasks})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    for more, pointer in (
        ({"weights": {"colour": 1}}, "/weights/colour"),
        ({"weights": {"cost": -1}}, "/weights/cost"),
        ({"weights": dict.fromkeys(ZERO, 0)}, "/weights"),
        ({"top": 0}, "/top"),
        ({"capacity": {"cpu": -1}}, "/capacity/cpu"),
    ):
        answer = await opened.client.post(PATH, json={**SPEC, **more})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


ZERO = ("priority", "deadline", "value", "cost", "duration", "age", "unblocks", "fit")


async def test_top_limits_the_answer_and_weights_of_the_request_decide(open_gateway: Callable[..., Any]) -> None:
    tasks = [
        {"id": "dear", "type": "crypto_prediction", "priority": "critical", "cost_minor": 900},
        {"id": "cheap", "type": "crypto_prediction", "priority": "low", "cost_minor": 1},
    ]
    weights = {**dict.fromkeys(ZERO, 0), "cost": 1}
    answer = await ask(open_gateway, {"tasks": tasks, "weights": weights, "top": 1})
    document = answer.json()
    assert [task["id"] for task in document["tasks"]] == ["cheap"]
    assert (document["count"], document["weights"]["cost"], document["weights"]["age"]) == (2, 1, 0)


async def test_weights_of_the_settings_decide_where_the_request_says_nothing(open_gateway: Callable[..., Any]) -> None:
    from brain.l20.priority.settings import PrioritySettings

    tasks = [
        {"id": "high", "type": "crypto_prediction", "priority": "high"},
        {"id": "worth", "type": "crypto_prediction", "priority": "low", "value": 5},
    ]
    usual = await ask(open_gateway, {"tasks": tasks})
    by_value = PrioritySettings(weights={**dict.fromkeys(ZERO, 0), "value": 1})
    other = await ask(open_gateway, {"tasks": tasks}, l20_priority=by_value)
    assert [usual.json()["tasks"][0]["id"], other.json()["tasks"][0]["id"]] == ["high", "worth"]


async def test_a_body_that_other_routes_refuse_as_too_large_is_taken_here(open_gateway: Callable[..., Any]) -> None:
    tasks = [{"id": f"task-{n}", "type": "crypto_prediction"} for n in range(25_000)]
    assert len(json.dumps({"tasks": tasks})) > 1_048_576
    answer = await ask(open_gateway, {"tasks": tasks, "top": 3})
    assert [task["id"] for task in answer.json()["tasks"]] == ["task-0", "task-1", "task-2"]


async def test_it_needs_the_scope_to_orchestrate(open_gateway: Callable[..., Any]) -> None:
    opened = await open_gateway(auth="required")
    for scope, status in (("predict", 403), ("orchestrate", 200)):
        headers = {"X-API-Key": opened.create_key(scope)}
        assert (await opened.client.post(PATH, json=SPEC, headers=headers)).status_code == status


async def test_what_calls_took_stands_in_for_a_duration_that_was_not_given(open_gateway: Callable[..., Any]) -> None:
    from brain.runs import NewRun, NewTask, TaskChange

    def work(store: Any) -> None:
        tasks = tuple(NewTask(f"t{number}", "image_generation") for number in range(20))
        store.create(NewRun("r1", "orchestration", "ann", {}, "d", tasks))
        held = store.claim("w", 60, ["orchestration"])
        for state in ("running", "succeeded"):
            store.commit(held, [TaskChange(task.id, state, 1) for task in tasks])

    opened = await open_gateway()
    await opened.services.runs.run(work)
    first = (await opened.client.post(PATH, json=SPEC)).json()["tasks"][0]
    assert (first["type"], first["duration_from"]) == ("image_generation", "learned")
    assert 0 < first["duration_seconds"] < 5


async def test_work_is_ranked_while_the_run_store_is_away(
    open_gateway: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    def fails() -> Any:
        raise OperationalError("SELECT 1", {}, OSError("gone"))

    opened = await open_gateway()
    monkeypatch.setattr(opened.services.runs._threads, "_open_store", fails)
    answer = await opened.client.post(PATH, json=SPEC)
    assert answer.status_code == 200, answer.text
    assert (await opened.client.get("/api/v1/runs")).status_code == 503
