"""Deadlines, budgets, cancelling and what is left after a crash, on a real store within one process."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brain.runs import NewTask, TaskChange
from tests.support.floor import away


def by(seconds: float, **more: object) -> dict[str, object]:
    return {"deadline": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(), **more}


async def test_a_task_that_is_late_fails_alone(floor: Any) -> None:
    run, tasks = await floor.carry_out(NewTask("a", "hold", options=by(0.3)), NewTask("b", "add", {"left": 1}))
    assert (tasks["a"].state, tasks["a"].error["status"], tasks["a"].error["type"]) == (
        "failed",
        504,
        "deadline-exceeded",
    )
    assert tasks["b"].state == "succeeded" and run.reason.partition(":")[0] == "partial"


async def test_a_task_whose_deadline_has_passed_is_not_called(floor: Any) -> None:
    _, tasks = await floor.carry_out(NewTask("a", "add", {"left": 1}, options=by(-1)))
    assert (tasks["a"].error["status"], tasks["a"].attempt, floor.toys.calls) == (504, 0, {})


async def test_no_try_is_made_that_would_begin_after_the_deadline(floor: Any) -> None:
    floor.toys.troubles = [away(503)] * 3
    options = by(5, retries={"backoff_seconds": 30})
    _, tasks = await floor.carry_out(NewTask("a", "flaky", options=options))
    assert (tasks["a"].state, tasks["a"].error["status"], tasks["a"].attempt) == ("failed", 503, 1)


async def test_a_run_expires_with_calls_cut_off_and_the_rest_not_begun(floor: Any) -> None:
    run, tasks = await floor.carry_out(
        NewTask("done", "add", {"left": 1}),
        NewTask("slow", "hold"),
        NewTask("after", "add", {"left": 1}, ("slow",)),
        deadline_seconds=0.6,
    )
    assert (run.state, run.reason.partition(":")[0], run.result) == ("failed", "expired", {"done": {"sum": 1.0}})
    assert [tasks[name].state for name in ("done", "slow")] == ["succeeded", "failed"]
    assert tasks["slow"].error["type"] == "run-expired" and tasks["after"].state in ("skipped", "cancelled")


async def test_a_run_that_expired_in_the_hands_of_a_dead_worker_calls_nobody(floor: Any) -> None:
    run = floor.accept(NewTask("a", "add", {"left": 1}), NewTask("b", "add", {"left": 1}), deadline_seconds=0.4)
    claimed = floor.store.claim("dead", 0.5, ("orchestration",))
    floor.store.commit(claimed, [TaskChange("a", "running", attempt=1)])
    await asyncio.sleep(0.5)
    async with floor.working():
        ended = await floor.ended(run.id)
    assert (ended.state, ended.reason.partition(":")[0], floor.toys.calls) == ("failed", "expired", {})
    assert [task.state for task in floor.tasks(run.id).values()] == ["failed", "cancelled"]


async def test_a_task_whose_estimate_does_not_fit_is_not_called_and_the_rest_goes_on(floor: Any) -> None:
    run, tasks = await floor.carry_out(
        NewTask("dear", "add", {"left": 1}, estimate_minor=60),
        NewTask("cheap", "add", {"left": 1}, estimate_minor=20),
        budget_minor=50,
    )
    assert (run.state, run.reason.partition(":")[0]) == ("failed", "budget_exhausted")
    assert (tasks["dear"].error["status"], tasks["dear"].error["type"]) == (402, "budget-exhausted")
    assert "60 minor units are expected and 50 are left" in tasks["dear"].error["detail"]
    assert tasks["cheap"].state == "succeeded" and floor.toys.calls == {f"{run.id}/cheap": 1}


async def test_estimates_are_reserved_and_what_was_not_used_is_free_again(floor: Any) -> None:
    """Each is expected to cost 10 and costs 4: two fit at once into 20, and the third once they have been settled."""
    run = floor.accept(*(NewTask(name, "hold", estimate_minor=10) for name in "abc"), budget_minor=20)
    async with floor.working():
        await floor.becomes(lambda: floor.toys.at_once, lambda number: number == 2)
        await asyncio.sleep(0.1)
        assert [task.state for task in floor.tasks(run.id).values()] == ["running", "running", "waiting"]
        floor.toys.let_go.set()
        ended = await floor.ended(run.id)
    assert (ended.state, ended.spent_minor, floor.toys.most_at_once) == ("succeeded", 12, 2)


async def test_a_budget_of_seconds_counts_what_calls_took(floor: Any) -> None:
    run = floor.accept(
        NewTask("a", "hold", estimate_seconds=0.1),
        NewTask("b", "add", {"left": 1}, ("a",), estimate_seconds=0.1),
        budget_seconds=0.3,
    )
    async with floor.working():
        await floor.toys.begun.wait()
        await asyncio.sleep(0.35)
        floor.toys.let_go.set()
        ended = await floor.ended(run.id)
    tasks = floor.tasks(run.id)
    assert tasks["a"].state == "succeeded" and tasks["a"].seconds >= 0.35 and ended.spent_seconds >= 0.35
    assert tasks["b"].error["type"] == "budget-exhausted" and "s are expected" in tasks["b"].error["detail"]


async def test_a_call_in_flight_at_a_crash_stays_reserved(floor: Any) -> None:
    run = floor.accept(
        NewTask("first", "add", {"left": 1}, estimate_minor=10),
        NewTask("lost", "add", {"left": 1}, estimate_minor=10),
        budget_minor=15,
    )
    claimed = floor.store.claim("dead", 0.2, ("orchestration",))
    floor.store.commit(claimed, [TaskChange("lost", "running", attempt=1)])
    await asyncio.sleep(0.25)
    async with floor.working():
        ended = await floor.ended(run.id)
    assert floor.toys.seen[0].task_id == "lost", "its money was set aside, so the other had to wait for the rest"
    assert (ended.state, ended.spent_minor, floor.toys.most_at_once) == ("succeeded", 8, 1)


async def test_a_run_that_is_to_be_cancelled_cuts_off_what_may_be_repeated_and_begins_nothing(floor: Any) -> None:
    run = floor.accept(
        NewTask("done", "add", {"left": 1}), NewTask("slow", "hold"), NewTask("after", "add", {"left": 1}, ("slow",))
    )
    async with floor.working():
        await floor.becomes(lambda: floor.tasks(run.id), lambda tasks: tasks["done"].state == "succeeded")
        await floor.becomes(lambda: floor.tasks(run.id), lambda tasks: tasks["slow"].state == "running")
        floor.store.ask_cancel(run.id)
        ended = await floor.ended(run.id, 3)
    assert (ended.state, ended.reason.partition(":")[0], ended.result) == (
        "cancelled",
        "cancelled",
        {"done": {"sum": 1.0}},
    )
    assert [task.state for task in floor.tasks(run.id).values()] == ["succeeded", "cancelled", "cancelled"]


async def test_a_call_that_cannot_be_repeated_ends_before_its_run_is_cancelled(floor: Any) -> None:
    run = floor.accept(NewTask("paid", "paid"), NewTask("after", "add", {"left": 1}, ("paid",)))
    async with floor.working():
        await floor.toys.begun.wait()
        floor.store.ask_cancel(run.id)
        await asyncio.sleep(0.3)
        assert floor.store.get(run.id).state == "cancelling"
        floor.toys.let_go.set()
        ended = await floor.ended(run.id)
    assert (ended.state, ended.spent_minor) == ("cancelled", 9)
    assert [task.state for task in floor.tasks(run.id).values()] == ["succeeded", "cancelled"]


async def test_work_that_finishes_first_wins_over_cancelling(floor: Any) -> None:
    run = floor.accept(NewTask("paid", "paid"))
    async with floor.working():
        await floor.toys.begun.wait()
        floor.store.ask_cancel(run.id)
        floor.toys.let_go.set()
        assert (await floor.ended(run.id)).state == "succeeded"


async def test_a_cancelled_run_that_is_adopted_calls_nobody(floor: Any) -> None:
    run = floor.accept(NewTask("a", "add", {"left": 1}), NewTask("paid", "paid"), NewTask("c", "add", {"left": 1}))
    claimed = floor.store.claim("dead", 0.3, ("orchestration",))
    floor.store.commit(claimed, [TaskChange("a", "running", attempt=1), TaskChange("paid", "running", attempt=1)])
    floor.store.ask_cancel(run.id)
    await asyncio.sleep(0.35)
    async with floor.working():
        ended = await floor.ended(run.id)
    assert (ended.state, floor.toys.calls) == ("cancelled", {})
    assert [task.state for task in floor.tasks(run.id).values()] == ["cancelled", "outcome_unknown", "cancelled"]


async def _adopted(floor: Any, *tasks: NewTask, lost: int = 0, attempt: int = 1) -> Any:
    """A run whose worker died while its first task was being called, once another has ended it."""
    run = floor.accept(*tasks)
    claimed = floor.store.claim("dead", 0.3, ("orchestration",))
    floor.store.commit(claimed, [TaskChange(tasks[0].id, "running", attempt=attempt, lost=lost)])
    await asyncio.sleep(0.35)
    floor.toys.let_go.set()
    async with floor.working():
        return await floor.ended(run.id), floor.tasks(run.id)


async def test_a_call_in_flight_at_a_crash_is_made_again_under_its_key(floor: Any) -> None:
    run, tasks = await _adopted(floor, NewTask("a", "add", {"left": 1}))
    assert (run.state, tasks["a"].attempt, tasks["a"].lost) == ("succeeded", 2, 1)
    assert floor.toys.calls == {f"{run.id}/a": 1}


async def test_starts_that_were_lost_do_not_use_up_the_tries(floor: Any) -> None:
    floor.toys.troubles = [away(503)]
    options = {"retries": {"max_attempts": 2, "backoff_seconds": 0}}
    run, tasks = await _adopted(floor, NewTask("a", "flaky", options=options), lost=1, attempt=2)
    assert (run.state, tasks["a"].attempt, tasks["a"].lost) == ("succeeded", 4, 2)


async def test_a_task_with_which_three_workers_died_is_not_tried_again(floor: Any) -> None:
    run, tasks = await _adopted(floor, NewTask("a", "add", {"left": 1}), lost=2, attempt=3)
    assert (run.state, tasks["a"].error["type"], floor.toys.calls) == ("failed", "worker-lost", {})


async def test_the_outcome_of_a_call_that_cannot_be_repeated_is_unknown_after_a_crash(floor: Any) -> None:
    run, tasks = await _adopted(
        floor, NewTask("paid", "paid", estimate_minor=7), NewTask("b", "add", {"left": 1}, ("paid",))
    )
    assert (run.state, run.reason.partition(":")[0], run.spent_minor) == ("failed", "outcome_unknown", 7)
    assert (tasks["paid"].state, tasks["b"].state, floor.toys.calls) == ("outcome_unknown", "skipped", {})


async def test_a_caller_may_want_such_a_call_again(floor: Any) -> None:
    run, _ = await _adopted(floor, NewTask("paid", "paid", options={"on_unknown": "retry"}))
    assert (run.state, floor.toys.calls) == ("succeeded", {f"{run.id}/paid": 1})


@pytest.mark.parametrize(("status", "state", "calls"), [(504, "outcome_unknown", 1), (503, "succeeded", 2)])
async def test_an_answer_that_leaves_open_whether_a_paid_call_took_effect_is_not_tried_again(
    floor: Any, status: int, state: str, calls: int
) -> None:
    floor.toys.troubles = [away(status)]
    floor.toys.let_go.set()
    run, tasks = await floor.carry_out(NewTask("paid", "paid", options={"retries": {"backoff_seconds": 0}}))
    assert (tasks["paid"].state, floor.toys.calls) == (state, {f"{run.id}/paid": calls})
