"""The engine on a real store, within one process."""

import asyncio
import time
from typing import Any

import pytest

from brain.runs import NewTask, Progress, Reused
from tests.support.floor import away


async def test_results_flow_along_the_edges_and_the_run_ends_with_all_of_them(floor: Any) -> None:
    run, tasks = await floor.carry_out(
        NewTask("a", "add", {"left": 1, "right": 2}),
        NewTask("b", "add", {"left": "${tasks.a.result.sum}", "right": 10}, ("a",)),
        NewTask("c", "add", {"left": 5}),
    )
    assert (run.state, run.reason, run.progress) == ("succeeded", "", Progress(3, 3, "tasks"))
    assert run.result == {"a": {"sum": 3.0}, "b": {"sum": 13.0}, "c": {"sum": 5.0}}
    assert [(one.state, one.attempt, one.cost_minor) for one in tasks.values()] == [("succeeded", 1, 4)] * 3
    assert run.spent_minor == 12 and run.spent_seconds == pytest.approx(sum(one.seconds for one in tasks.values()))
    assert all(count == 1 for count in floor.toys.calls.values()) and len(floor.toys.calls) == 3
    first = floor.toys.seen[0]
    assert (first.key, first.owner, first.attempt, first.run_id) == (f"{run.id}/a", "ann", 1, run.id)


async def test_what_is_ready_is_called_in_parallel_and_never_more_than_allowed(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"parallel_calls": 3})
    run = floor.accept(*(NewTask(f"t{number}", "hold") for number in range(7)))
    async with floor.working():
        await floor.becomes(lambda: floor.toys.at_once, lambda number: number == 3)
        await asyncio.sleep(0.1)
        states = [task.state for task in floor.tasks(run.id).values()]
        assert states == ["running"] * 3 + ["waiting"] * 4
        floor.toys.let_go.set()
        assert (await floor.ended(run.id)).state == "succeeded"
    assert floor.toys.most_at_once == 3


async def test_a_call_is_made_only_after_its_intent_is_recorded(floor: Any) -> None:
    run = floor.accept(NewTask("a", "hold"))
    async with floor.working():
        await floor.toys.begun.wait()
        task = floor.tasks(run.id)["a"]
        assert (task.state, task.attempt, task.started_at is not None) == ("running", 1, True)


async def test_a_failure_is_told_task_by_task_and_what_does_not_depend_on_it_goes_on(floor: Any) -> None:
    floor.toys.troubles = [away(409)]
    run, tasks = await floor.carry_out(
        NewTask("bad", "flaky"),
        NewTask("after", "add", {"left": 1}, ("bad",)),
        NewTask("later", "add", {"left": 1}, ("after",)),
        NewTask("good", "add", {"left": 2}),
    )
    assert (run.state, run.reason) == ("failed", "partial: 1 of 4 tasks succeeded; failed: bad")
    assert run.result == {"good": {"sum": 2.0}}
    assert {name: task.state for name, task in tasks.items()} == {
        "bad": "failed",
        "after": "skipped",
        "later": "skipped",
        "good": "succeeded",
    }
    assert (tasks["bad"].error["status"], tasks["bad"].error["detail"]) == (409, "not now")
    assert tasks["after"].error["type"] == "dependency-failed" and "bad" in tasks["after"].error["detail"]


async def test_a_run_of_which_nothing_succeeded_has_failed_with_its_tasks(floor: Any) -> None:
    floor.toys.troubles = [away(422)]
    run, _ = await floor.carry_out(NewTask("bad", "flaky"))
    assert (run.state, run.reason.partition(":")[0], run.result) == ("failed", "task_failed", {})


async def test_a_condition_leaves_a_branch_out_and_the_run_still_succeeds(floor: Any) -> None:
    def when(value: float) -> dict[str, object]:
        return {"when": {"ref": "${tasks.a.result.sum}", "op": "gt", "value": value}}

    run, tasks = await floor.carry_out(
        NewTask("a", "add", {"left": 3}),
        NewTask("yes", "add", {"left": 1}, ("a",), when(2)),
        NewTask("no", "add", {"left": 1}, ("a",), when(5)),
        NewTask("behind", "add", {"left": 1}, ("no",)),
    )
    assert [task.state for task in tasks.values()] == ["succeeded", "succeeded", "skipped", "skipped"]
    assert (run.state, run.reason, tasks["behind"].error) == ("succeeded", "", None)


async def test_a_task_whose_condition_looks_at_the_state_of_a_failed_one_is_a_way_out(floor: Any) -> None:
    floor.toys.troubles = [away(400)]
    failed = {"when": {"ref": "${tasks.bad.state}", "op": "eq", "value": "failed"}}
    run, tasks = await floor.carry_out(
        NewTask("bad", "flaky"), NewTask("instead", "add", {"left": 7}, ("bad",), failed)
    )
    assert tasks["instead"].result == {"sum": 7.0}
    assert (run.state, run.reason.partition(":")[0]) == ("failed", "partial")


async def test_a_condition_or_a_reference_that_leads_nowhere_fails_its_task_without_a_call(floor: Any) -> None:
    nowhere = {"when": {"ref": "${tasks.a.result.none}", "op": "eq", "value": 1}}
    run, tasks = await floor.carry_out(
        NewTask("a", "add", {"left": 1}),
        NewTask("b", "add", {"left": "${tasks.a.result.summe}"}, ("a",)),
        NewTask("c", "add", {"left": 1}, ("a",), nowhere),
        NewTask("d", "add", {"left": "${tasks.a.result}"}, ("a",)),
    )
    assert [tasks[name].error["status"] for name in "bcd"] == [422] * 3
    assert "did you mean 'sum'" in tasks["b"].error["detail"] and "/left" in tasks["d"].error["detail"]
    assert sum(floor.toys.calls.values()) == 1


async def test_troubles_that_may_pass_are_tried_again_after_growing_pauses_under_the_same_key(floor: Any) -> None:
    floor.toys.troubles = [away(503), away(504)]
    begun = time.monotonic()
    run, tasks = await floor.carry_out(NewTask("a", "flaky", options={"retries": {"backoff_seconds": 0.2}}))
    assert (run.state, tasks["a"].attempt, tasks["a"].error) == ("succeeded", 3, tasks["a"].error)
    assert time.monotonic() - begun >= 0.2 + 0.4
    assert floor.toys.calls == {f"{run.id}/a": 3}
    assert [call.attempt for call in floor.toys.seen] == [1, 2, 3]


async def test_tries_end_with_the_last_error(floor: Any) -> None:
    floor.toys.troubles = [away(503)] * 9
    quick = {"retries": {"max_attempts": 4, "backoff_seconds": 0}}
    run, tasks = await floor.carry_out(NewTask("a", "flaky", options=quick))
    assert (run.state, tasks["a"].attempt, tasks["a"].error["status"]) == ("failed", 4, 503)


async def test_a_pause_is_as_long_as_who_was_called_asked_for(floor: Any) -> None:
    floor.toys.troubles = [away(429, headers={"Retry-After": "1"})]
    begun = time.monotonic()
    await floor.carry_out(NewTask("a", "flaky", options={"retries": {"backoff_seconds": 0}}))
    assert time.monotonic() - begun >= 1


async def test_a_pause_survives_the_worker(floor: Any) -> None:
    floor.toys.troubles = [away(503)]
    run = floor.accept(NewTask("a", "flaky", options={"retries": {"backoff_seconds": 1.0}}))
    async with floor.working() as drained:
        waiting = await floor.becomes(lambda: floor.tasks(run.id)["a"], lambda task: task.due_at is not None)
        assert (waiting.state, waiting.attempt, waiting.error["status"]) == ("waiting", 1, 503)
        await drained()
    assert floor.store.get(run.id).state == "running"
    async with floor.working(name="w2"):
        assert (await floor.ended(run.id)).state == "succeeded"
    task = floor.tasks(run.id)["a"]
    assert task.started_at >= waiting.due_at and (task.attempt, task.lost) == (2, 0)


async def test_an_exception_that_nobody_expected_is_told_without_its_text(floor: Any) -> None:
    floor.toys.troubles = [RuntimeError("secret of the house")] * 2
    run, tasks = await floor.carry_out(
        NewTask("a", "flaky", options={"retries": {"max_attempts": 2, "backoff_seconds": 0}})
    )
    assert (tasks["a"].error["status"], tasks["a"].attempt) == (500, 2)
    assert "secret" not in str(tasks["a"].error) + run.reason + str(run.result)


async def test_an_answer_that_is_not_json_ends_its_task_and_is_not_asked_for_again(floor: Any) -> None:
    run, tasks = await floor.carry_out(NewTask("a", "odd"))
    assert (tasks["a"].state, tasks["a"].attempt) == ("failed", 1) and "not JSON" in tasks["a"].error["detail"]


async def test_types_that_nobody_serves_fail_alone_and_are_not_tried_again(floor: Any) -> None:
    run, tasks = await floor.carry_out(
        NewTask("p", "planned"), NewTask("gone", "never_heard_of"), NewTask("a", "add", {"left": 1})
    )
    assert [(tasks[name].error["status"], tasks[name].error["type"]) for name in ("p", "gone")] == [
        (503, "not-served")
    ] * 2
    assert (run.reason.partition(":")[0], tasks["p"].attempt) == ("partial", 0)


async def test_a_result_that_a_retry_brought_along_is_used_and_not_called_for(floor: Any) -> None:
    run, tasks = await floor.carry_out(
        NewTask("a", "add", {"left": 1}, reused=Reused({"sum": 40.0})),
        NewTask("b", "add", {"left": "${tasks.a.result.sum}", "right": 2}, ("a",)),
    )
    assert (run.state, run.result) == ("succeeded", {"a": {"sum": 40.0}, "b": {"sum": 42.0}})
    assert floor.toys.calls == {f"{run.id}/b": 1} and tasks["a"].reused


async def test_a_wide_graph_is_carried_out_once_each(floor: Any) -> None:
    fan = [NewTask(f"t{number}", "add", {"left": number}) for number in range(200)]
    last = NewTask("sum", "add", {"left": "${tasks.t199.result.sum}"}, tuple(task.id for task in fan))
    run, tasks = await floor.carry_out(*fan, last)
    assert run.state == "succeeded" and tasks["sum"].result == {"sum": 199.0}
    assert set(floor.toys.calls.values()) == {1}


async def test_a_run_without_tasks_has_succeeded_and_a_coordination_without_any_has_not(floor: Any) -> None:
    run, _ = await floor.carry_out()
    assert (run.state, run.result) == ("succeeded", {})
    plan = {"by_domain": {"images": {"status": "unavailable", "detail": "not yet"}}}
    run, _ = await floor.carry_out(kind="coordination", request=plan)
    assert (run.state, run.reason, run.result) == ("failed", "nothing_served", plan["by_domain"])


async def test_a_coordination_ends_with_what_each_domain_came_to(floor: Any) -> None:
    request = {"by_domain": {"add": {"task": "add"}, "planned": {"status": "unavailable", "detail": "not yet"}}}
    run, _ = await floor.carry_out(NewTask("add", "add", {"left": 2}), kind="coordination", request=request)
    assert run.state == "succeeded"
    assert run.result == {
        "add": {"status": "succeeded", "result": {"sum": 2.0}},
        "planned": {"status": "unavailable", "detail": "not yet"},
    }
