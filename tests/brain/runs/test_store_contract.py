"""What every run store promises, on SQLite and PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from brain.runs import (
    KeyUsedError,
    LeaseLostError,
    NewRun,
    Progress,
    RunEndedError,
    RunNotFoundError,
    TaskChange,
)
from brain.runs.store import SqlRunStore

Make = Callable[..., NewRun]
KINDS = ("orchestration",)


def test_an_accepted_run_is_there_for_its_owner_and_for_a_store_that_is_opened_later(
    store: SqlRunStore, make: Make, database_url: str, clock: Any
) -> None:
    deadline = datetime(2026, 3, 2, tzinfo=UTC)
    made = store.create(make("r1", priority="high", deadline=deadline, budget_minor=100))
    assert (made.state, made.priority, made.deadline, made.progress) == (
        "queued",
        "high",
        deadline,
        Progress(0, 2, "tasks"),
    )
    store.close()
    again = SqlRunStore(database_url, clock)
    assert again.get("r1", "ann") == made
    assert [(task.id, task.after, task.state) for task in again.tasks("r1")] == [
        ("a", (), "waiting"),
        ("b", ("a",), "waiting"),
    ]
    with pytest.raises(RunNotFoundError):
        again.get("r1", "bob")
    with pytest.raises(RunNotFoundError):
        again.get("r2")
    again.close()


def test_the_same_key_and_request_make_one_run_and_another_request_is_refused(
    store: SqlRunStore, make: Make, clock: Any
) -> None:
    first = store.create(make("r1", idempotency_key="k", request_digest="same"))
    assert store.create(make("r2", idempotency_key="k", request_digest="same")) == first
    with pytest.raises(KeyUsedError, match="r1"):
        store.create(make("r3", idempotency_key="k", request_digest="other"))
    assert store.create(make("r4", idempotency_key="k", request_digest="other", owner="bob")).id == "r4"
    clock.advance(25 * 3600)
    assert store.create(make("r5", idempotency_key="k", request_digest="other")).id == "r5"


def test_a_worker_records_results_and_ends_the_run(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1"))
    claimed = store.claim("w1", 30, KINDS)
    assert claimed is not None and claimed.run.state == "running" and claimed.epoch == 1
    store.commit(claimed, [TaskChange("a", "running", attempt=1)])
    done = [TaskChange("a", "succeeded", result={"x": 0.1}, cost_minor=4)]
    run = store.commit(claimed, done, progress=Progress(1, 2, "tasks"))
    assert (run.spent_minor, run.progress.done, run.state) == (4, 1, "running")
    run = store.commit(claimed, [TaskChange("b", "skipped")], state="succeeded", result={"a": 1}, reason="partial")
    assert (run.state, run.reason, run.result) == ("succeeded", "partial", {"a": 1})
    assert run.finished_at is not None and run.started_at is not None
    assert [(task.state, task.result) for task in store.tasks("r1")] == [("succeeded", {"x": 0.1}), ("skipped", None)]
    assert [one.number for one in store.events("r1")] == [1, 2, 3, 4, 5]
    assert [one.event for one in store.events("r1", after=1)] == ["claimed", "progress", "progress", "succeeded"]


def test_a_recorded_result_stands(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1"))
    claimed = store.claim("w1", 30, KINDS)
    assert claimed is not None
    store.commit(claimed, [TaskChange("a", "succeeded", result=1)])
    with pytest.raises(ValueError, match="recorded result stands"):
        store.commit(claimed, [TaskChange("b", "running"), TaskChange("a", "succeeded", result=2)])
    assert [(task.state, task.result) for task in store.tasks("r1")] == [("succeeded", 1), ("waiting", None)]


def test_a_terminal_state_never_changes(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1"))
    claimed = store.claim("w1", 30, KINDS)
    assert claimed is not None
    store.commit(claimed, state="failed", reason="expired")
    for act in (
        lambda: store.commit(claimed, state="succeeded"),
        lambda: store.commit(claimed, [TaskChange("a", "succeeded")]),
        lambda: store.renew(claimed, 30),
    ):
        with pytest.raises(LeaseLostError):
            act()
    with pytest.raises(RunEndedError, match="failed"):
        store.ask_cancel("r1")
    assert store.get("r1").state == "failed" and store.claim("w2", 30, KINDS) is None


def test_a_commit_ends_a_run_only_in_a_terminal_state(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1"))
    claimed = store.claim("w1", 30, KINDS)
    assert claimed is not None
    with pytest.raises(ValueError, match="succeeded, failed, cancelled"):
        store.commit(claimed, state="queued")


def test_what_waits_is_cancelled_at_once_and_what_runs_is_asked_to_stop(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1"))
    assert store.ask_cancel("r1", "ann").state == "cancelled"
    assert {task.state for task in store.tasks("r1")} == {"cancelled"}
    store.create(make("r2"))
    claimed = store.claim("w1", 30, KINDS)
    assert claimed is not None and claimed.run.id == "r2"
    with pytest.raises(RunNotFoundError):
        store.ask_cancel("r2", "bob")
    assert store.ask_cancel("r2").state == store.ask_cancel("r2").state == "cancelling"
    assert store.renew(claimed, 30).run.state == "cancelling"
    assert [one.event for one in store.events("r2")].count("cancelling") == 1
    assert store.commit(claimed, state="succeeded").state == "succeeded", "the work finished first"


def test_a_run_whose_holder_is_silent_is_adopted_and_the_old_holder_commits_nothing(
    store: SqlRunStore, make: Make, clock: Any
) -> None:
    store.create(make("r1"))
    old = store.claim("w1", 30, KINDS)
    assert old is not None and store.claim("w2", 30, KINDS) is None
    store.commit(old, [TaskChange("a", "running", attempt=1)])
    clock.advance(31)
    with pytest.raises(LeaseLostError):
        store.commit(old, [TaskChange("a", "succeeded", result="late")])  # its lease has ended, though none adopted yet
    new = store.claim("w2", 30, KINDS)
    assert new is not None and (new.run.id, new.epoch) == ("r1", 2)
    assert [(task.state, task.attempt) for task in new.tasks] == [("running", 1), ("waiting", 0)]
    for late in (lambda: store.commit(old, state="succeeded"), lambda: store.renew(old, 30)):
        with pytest.raises(LeaseLostError):
            late()
    store.release(old)
    assert store.commit(new, [TaskChange("a", "succeeded", result="once")]).state == "running"


def test_a_run_that_is_given_back_is_taken_at_once_and_keeps_being_asked_to_stop(
    store: SqlRunStore, make: Make
) -> None:
    store.create(make("r1"))
    first = store.claim("w1", 3000, KINDS)
    assert first is not None
    store.ask_cancel("r1")
    store.release(first)
    second = store.claim("w2", 30, KINDS)
    assert second is not None and (second.run.state, second.epoch) == ("cancelling", 2)


def test_only_runs_of_the_kinds_that_a_worker_knows_are_taken(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1", kind="swarm"))
    assert store.claim("w1", 30, KINDS) is None
    assert store.claim("w1", 30, ("swarm", "plan")) is not None


def test_workers_that_claim_at_the_same_time_get_different_runs(store: SqlRunStore, make: Make) -> None:
    for number in range(12):
        store.create(make(f"r{number}"))
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda number: store.claim(f"w{number}", 30, KINDS), range(16)))
    taken = [one.run.id for one in claims if one is not None]
    assert len(taken) == len(set(taken)) == 12


def test_callers_take_turns_however_many_runs_one_of_them_brings(store: SqlRunStore, make: Make) -> None:
    for number in range(6):
        store.create(make(f"a{number}", owner="ann"))
    for number in range(2):
        store.create(make(f"b{number}", owner="bob"))
    order = [one.run.owner for one in (store.claim("w", 30, KINDS) for _ in range(8)) if one is not None]
    assert sorted(order[:4]) == ["ann", "ann", "bob", "bob"] and order[4:] == ["ann"] * 4


def test_a_caller_that_comes_back_has_saved_up_no_turns(store: SqlRunStore, make: Make) -> None:
    store.create(make("b0", owner="bob"))
    store.claim("w", 30, KINDS)
    for number in range(9):
        store.create(make(f"a{number}", owner="ann"))
        store.claim("w", 30, KINDS)
    for number in range(9, 13):
        store.create(make(f"a{number}", owner="ann"))
    for number in range(1, 5):
        store.create(make(f"b{number}", owner="bob"))
    order = [one.run.owner for one in (store.claim("w", 30, KINDS) for _ in range(4)) if one is not None]
    assert sorted(order) == ["ann", "ann", "bob", "bob"]


def test_priority_orders_a_callers_runs_and_ten_minutes_of_waiting_are_worth_a_class(
    store: SqlRunStore, make: Make, clock: Any
) -> None:
    store.create(make("old-low", priority="low"))
    clock.advance(601)
    store.create(make("normal"))
    store.create(make("high", priority="high"))
    store.create(make("critical", priority="critical"))
    order = [one.run.id for one in (store.claim("w", 30, KINDS) for _ in range(4)) if one is not None]
    assert order == ["critical", "high", "old-low", "normal"]


def test_pages_hold_every_run_once_newest_first(store: SqlRunStore, make: Make) -> None:
    for number in range(7):
        store.create(make(f"r{number}", owner="ann" if number != 3 else "bob"))
    found, cursor = [], None
    while True:
        page = store.list("ann", cursor=cursor, limit=2)
        found += [run.id for run in page.runs]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == ["r6", "r5", "r4", "r2", "r1", "r0"]
    assert [run.id for run in store.list(kind="orchestration", state="queued", limit=3).runs] == ["r6", "r5", "r4"]
    for wrong in ("x", "W10", "!!"):
        with pytest.raises(ValueError, match="is not a cursor"):
            store.list(cursor=wrong)
