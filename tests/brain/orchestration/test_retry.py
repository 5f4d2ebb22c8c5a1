"""Runs that take up earlier ones, on a real store in which the test plays the worker."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brain.capabilities import Registry
from brain.l20.coordination import coordination
from brain.orchestration.request import CoordinateRequest, OrchestrateRequest
from brain.orchestration.retry import retry_of
from brain.orchestration.submission import Submission, orchestration, reusable
from brain.runs import NewRun, NewTask, Run, Task, TaskChange
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore
from runtime.problems import Problem

BTC = {"symbol": "BTC"}


def by(seconds: float = 0, key: str | None = None, owner: str = "ann") -> Submission:
    return Submission(owner, datetime.now(UTC) + timedelta(seconds=seconds), key)


def graph(registry: Registry, *tasks: dict[str, Any], **terms: Any) -> NewRun:
    given = [{"type": "crypto_prediction", "params": BTC} | task for task in tasks]
    return orchestration(OrchestrateRequest.model_validate({"tasks": given, **terms}), registry, by())


def ended(store: SqlRunStore, new: NewRun, *changes: TaskChange, state: Any = "failed") -> tuple[Run, list[Task]]:
    store.create(new)
    claimed = store.claim("w", 30, [new.kind])
    assert claimed is not None
    store.commit(claimed, changes, state=state, reason="task_failed")
    return store.get(new.id), list(store.tasks(new.id))


def done(task_id: str, result: object = None) -> TaskChange:
    return TaskChange(task_id, "succeeded", attempt=1, result={"of": task_id} if result is None else result)


def failed(task_id: str) -> TaskChange:
    return TaskChange(task_id, "failed", attempt=1, error={"status": 503})


def test_what_succeeded_is_brought_along_and_the_rest_is_done_again(store: SqlRunStore, registry: Registry) -> None:
    new = graph(registry, {"id": "a"}, {"id": "b", "depends_on": ["a"]}, {"id": "c", "depends_on": ["b"]})
    run, tasks = ended(store, new, done("a"), failed("b"), TaskChange("c", "skipped"))
    again = store.create(retry_of(run, tasks, registry, by()))
    assert (again.retry_of, again.state, again.kind) == (run.id, "queued", "orchestration")
    assert [(task.id, task.state, task.reused, task.result, task.cost_minor) for task in store.tasks(again.id)] == [
        ("a", "succeeded", True, {"of": "a"}, 0),
        ("b", "waiting", False, None, 0),
        ("c", "waiting", False, None, 0),
    ]


def test_a_result_that_is_null_is_a_result(registry: Registry, store: SqlRunStore) -> None:
    claimed_null = TaskChange("a", "succeeded", attempt=1)
    run, tasks = ended(store, graph(registry, {"id": "a"}, {"id": "b"}), claimed_null, failed("b"))
    again = store.create(retry_of(run, tasks, registry, by()))
    assert [task.state for task in store.tasks(again.id)] == ["succeeded", "waiting"]


def test_a_way_out_of_a_failure_is_decided_anew(store: SqlRunStore, registry: Registry) -> None:
    way_out = {"ref": "${tasks.a.state}", "op": "ne", "value": "succeeded"}
    new = graph(registry, {"id": "a"}, {"id": "plan_b", "when": way_out}, {"id": "after", "depends_on": ["plan_b"]})
    run, tasks = ended(store, new, failed("a"), done("plan_b"), done("after"))
    assert reusable(tasks) == {}
    again = store.create(retry_of(run, tasks, registry, by()))
    assert {task.state for task in store.tasks(again.id)} == {"waiting"}


def test_what_was_skipped_by_its_own_condition_is_no_failure_for_those_after_it(
    store: SqlRunStore, registry: Registry
) -> None:
    never = {"ref": "${tasks.a.result.of}", "op": "eq", "value": "nobody"}
    goes_on = {"ref": "${tasks.b.state}", "op": "eq", "value": "skipped"}
    new = graph(registry, {"id": "a"}, {"id": "b", "when": never}, {"id": "c", "when": goes_on}, {"id": "d"})
    _, tasks = ended(store, new, done("a"), TaskChange("b", "skipped"), done("c"), failed("d"))
    assert set(reusable(tasks)) == {"a", "c"}


def test_deadlines_and_budget_count_anew(store: SqlRunStore, registry: Registry) -> None:
    terms = {"deadline_seconds": 60.0, "budget": {"seconds": 5.0}, "priority": "high"}
    new = graph(registry, {"id": "a", "deadline_seconds": 30.0}, **terms)
    run, tasks = ended(store, new, failed("a"))
    later = by(seconds=3600)
    again = retry_of(run, tasks, registry, later)
    assert again.deadline == later.accepted_at + timedelta(seconds=60)
    assert again.tasks[0].options["deadline"] == (later.accepted_at + timedelta(seconds=30)).isoformat()
    assert (again.budget_seconds, again.priority, again.request) == (5.0, "high", run.request)


def test_the_owner_stays_whoever_retries_and_a_key_gives_one_run(store: SqlRunStore, registry: Registry) -> None:
    run, tasks = ended(store, graph(registry, {"id": "a"}), failed("a"))
    first = store.create(retry_of(run, tasks, registry, by(key="k", owner="admin")))
    second = store.create(retry_of(run, tasks, registry, by(key="k", owner="admin")))
    assert (first.owner, second.id) == ("ann", first.id)


@pytest.mark.parametrize("state", ["succeeded", "queued"])
def test_only_what_failed_or_was_cancelled_is_retried(store: SqlRunStore, registry: Registry, state: str) -> None:
    new = graph(registry, {"id": "a"})
    if state == "queued":
        run, tasks = store.create(new), list(store.tasks(new.id))
    else:
        run, tasks = ended(store, new, done("a"), state=state)
    with pytest.raises(Problem) as refused:
        retry_of(run, tasks, registry, by())
    assert (refused.value.status, refused.value.extensions) == (409, {"state": state})


def test_a_cancelled_run_is_retried(store: SqlRunStore, registry: Registry) -> None:
    run, tasks = ended(store, graph(registry, {"id": "a"}), TaskChange("a", "cancelled"), state="cancelled")
    assert retry_of(run, tasks, registry, by()).retry_of == run.id


def test_a_kind_without_tasks_is_asked_for_again_as_a_whole(store: SqlRunStore, registry: Registry) -> None:
    run, tasks = ended(store, NewRun(new_run_id(), "plan", "ann", {}, "d", (NewTask("a", "x"),)), failed("a"))
    with pytest.raises(Problem) as refused:
        retry_of(run, tasks, registry, by())
    assert (refused.value.status, refused.value.extensions["retried"]) == (409, ["coordination", "orchestration"])


def test_domains_are_looked_up_again(store: SqlRunStore, registry: Registry) -> None:
    body = {
        "domains": ["crypto_prediction", "fraud", "marketing"],
        "task_specs": {
            "crypto_prediction": BTC,
            "fraud": {"fraud_analysis": {"customer_id": "C", "terminal_id": "T", "amount_minor": 1}},
        },
    }
    new = coordination(CoordinateRequest.model_validate(body), registry, by())
    run, tasks = ended(store, new, done("crypto_prediction"), failed("fraud_analysis"))
    again = store.create(retry_of(run, tasks, registry, by()))
    assert [task.state for task in store.tasks(again.id)] == ["succeeded", "waiting"]
    assert again.request == run.request
