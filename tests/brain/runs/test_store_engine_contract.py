"""What the engine and the metrics ask of every run store, on SQLite and PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brain.runs import LeaseLostError, NewRun, NewTask, NoRunStoreError, Progress, Reused, TaskChange, open_run_store
from brain.runs.settings import RunStoreSettings
from brain.runs.store import SqlRunStore
from runtime.moments import moment
from runtime.settings import runtime_settings

Make = Callable[..., NewRun]
KINDS = ("orchestration", "plan")


def test_seconds_and_money_of_every_call_add_up_in_task_and_run(store: SqlRunStore, make: Make) -> None:
    made = store.create(make("r1", budget_minor=100, budget_seconds=2.5))
    assert (made.budget_seconds, made.spent_seconds) == (2.5, 0.0)
    claimed = store.claim("w", 30, KINDS)
    assert claimed is not None
    store.commit(claimed, [TaskChange("a", "running", attempt=1)])
    store.commit(claimed, [TaskChange("a", "waiting", cost_minor=2, seconds=0.5, error={"status": 503})])
    store.commit(claimed, [TaskChange("a", "running", attempt=2)])
    run = store.commit(claimed, [TaskChange("a", "succeeded", cost_minor=3, seconds=0.25)])
    assert (run.spent_minor, run.spent_seconds) == (5, 0.75)
    first = store.tasks("r1")[0]
    assert (first.cost_minor, first.seconds, first.attempt) == (5, 0.75, 2)


def test_what_a_call_is_expected_to_take_and_how_many_starts_were_lost_are_kept(store: SqlRunStore, make: Make) -> None:
    store.create(make("r1", tasks=(NewTask("a", "toy", estimate_minor=7, estimate_seconds=1.5),)))
    claimed = store.claim("w", 30, KINDS)
    assert claimed is not None
    store.commit(claimed, [TaskChange("a", "running", attempt=2, lost=1)])
    (one,) = store.tasks("r1")
    assert (one.estimate_minor, one.estimate_seconds, one.lost, one.attempt) == (7, 1.5, 1, 2)


@pytest.mark.parametrize("result", [{"x": [1, None]}, None])
def test_a_result_that_a_retry_brings_along_stands_from_the_start_and_costs_nothing(
    store: SqlRunStore, make: Make, result: object
) -> None:
    store.create(make("r1"))
    store.ask_cancel("r1")
    tasks = (NewTask("a", "toy", estimate_minor=5, reused=Reused(result)), NewTask("b", "toy", after=("a",)))
    made = store.create(make("r2", tasks=tasks, retry_of="r1"))
    assert (made.progress, made.spent_minor, made.retry_of) == (Progress(1, 2, "tasks"), 0, "r1")
    first, second = store.tasks("r2")
    assert (first.state, first.result, first.reused, first.attempt) == ("succeeded", result, True, 0)
    assert (second.state, second.reused) == ("waiting", False)
    claimed = store.claim("w", 30, KINDS)
    assert claimed is not None
    with pytest.raises(ValueError, match="recorded result stands"):
        store.commit(claimed, [TaskChange("a", "running")])


def test_durations_are_those_of_calls_that_ended_newest_first(store: SqlRunStore, make: Make, clock: Any) -> None:
    since = moment(clock.now_us)
    three = (NewTask("a", "toy"), NewTask("b", "other"), NewTask("c", "never"), NewTask("d", "mine", reused=Reused(1)))
    store.create(make("r1", tasks=three, kind="plan"))
    claimed = store.claim("w", 300, KINDS)
    assert claimed is not None
    store.commit(claimed, [TaskChange("a", "running", attempt=1), TaskChange("b", "running", attempt=1)])
    clock.advance(2)
    store.commit(claimed, [TaskChange("a", "succeeded", result=1)])
    clock.advance(1)
    store.commit(claimed, [TaskChange("b", "cancelled"), TaskChange("c", "skipped")], state="cancelled")
    found = store.durations(since)
    assert [(one.type, one.state, round(one.seconds, 1), one.kind) for one in found] == [
        ("other", "cancelled", 3.0, "plan"),
        ("toy", "succeeded", 2.0, "plan"),
    ]
    assert [one.type for one in store.durations(since, 1)] == ["other"]
    assert [one.type for one in store.durations(found[0].finished_at)] == ["other"]
    assert store.durations(found[0].finished_at + timedelta(seconds=1)) == []


def test_runs_are_counted_by_kind_state_and_priority_and_the_oldest_in_the_queue_has_an_age(
    store: SqlRunStore, make: Make, clock: Any
) -> None:
    assert (store.counts().runs, store.counts().oldest_queued_seconds) == ({}, None)
    store.create(make("r1", kind="plan", priority="high"))
    store.claim("w", 30, KINDS)
    clock.advance(5)
    store.create(make("r2"))
    clock.advance(60)
    store.create(make("r3"))
    counts = store.counts()
    assert counts.runs == {("plan", "running", "high"): 1, ("orchestration", "queued", "normal"): 2}
    assert counts.oldest_queued_seconds == pytest.approx(60, abs=0.1)


def test_a_queued_run_whose_deadline_passes_expires_and_one_that_is_held_is_its_workers(
    store: SqlRunStore, make: Make, clock: Any
) -> None:
    soon = moment(clock.now_us) + timedelta(seconds=10)
    store.create(make("held", deadline=soon))
    assert store.claim("w", 30, KINDS) is not None
    store.create(make("late", deadline=soon))
    store.create(make("timeless"))
    assert store.expire() == []
    clock.advance(11)
    assert store.expire() == ["late"] and store.expire() == []
    run = store.get("late")
    assert (run.state, run.reason.partition(":")[0], run.finished_at is not None) == ("failed", "expired", True)
    assert {task.state for task in store.tasks("late")} == {"cancelled"}
    assert store.events("late")[-1].event == "failed"
    assert (store.get("held").state, store.get("timeless").state) == ("running", "queued")


def test_a_worker_learns_which_of_its_runs_are_to_stop(store: SqlRunStore, make: Make) -> None:
    for name in ("r1", "r2", "r3"):
        store.create(make(name))
    held = {one.run.id: one for one in (store.claim(holder, 30, KINDS) for holder in ("w1", "w1", "w2")) if one}
    assert store.asked_to_stop("w1") == []
    for name in held:
        store.ask_cancel(name)
    assert sorted(store.asked_to_stop("w1")) == ["r1", "r2"] and store.asked_to_stop("w2") == ["r3"]
    store.commit(held["r1"], state="cancelled")
    store.release(held["r2"])
    assert store.asked_to_stop("w1") == []


def test_text_that_is_not_utf_8_is_kept_to_the_bit(store: SqlRunStore, make: Make) -> None:
    odd = {"half a pair": "\ud83d", "nothing": "\x00", "a name": "Zoë"}
    store.create(make("r1", request=odd))
    assert store.get("r1").request == odd


def test_the_store_is_where_the_settings_say(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRAIN_DATABASE_URL", "AIO_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path))
    runtime_settings.cache_clear()
    try:
        store = open_run_store()
        assert store.counts().runs == {} and (tmp_path / "runs.db").is_file()
        store.close()
        monkeypatch.setenv("BRAIN_DATABASE_URL", "postgresql://host/name")
        assert RunStoreSettings().resolved_url == "postgresql://host/name"
        monkeypatch.delenv("BRAIN_DATABASE_URL")
        monkeypatch.setenv("AIO_ENVIRONMENT", "production")
        runtime_settings.cache_clear()
        with pytest.raises(NoRunStoreError, match="set BRAIN_DATABASE_URL"):
            open_run_store()
    finally:
        runtime_settings.cache_clear()


def test_moments_of_a_store_are_aware(store: SqlRunStore, make: Make) -> None:
    assert store.create(make("r1")).created_at.tzinfo == UTC
    assert store.durations(datetime(2026, 1, 1, tzinfo=UTC)) == []


def test_a_run_that_rests_is_taken_from_the_moment_on_that_was_named_and_by_nobody_else_before(
    store: SqlRunStore, make: Make, clock: Any
) -> None:
    store.create(make("r1"))
    held = store.claim("w1", 30, KINDS)
    assert held is not None
    store.release(held, moment(clock.now_us) + timedelta(seconds=100))
    assert not store.claimable(KINDS) and store.claim("w2", 30, KINDS) is None
    with pytest.raises(LeaseLostError):
        store.commit(held, [TaskChange("a", "running")])  # it gave the run away, although the epoch is still its own
    clock.advance(101)
    again = store.claim("w2", 30, KINDS)
    assert again is not None and again.epoch == 2


def test_a_run_that_rests_and_is_to_be_cancelled_is_taken_at_once(store: SqlRunStore, make: Make, clock: Any) -> None:
    store.create(make("r1"))
    held = store.claim("w1", 30, KINDS)
    assert held is not None
    store.release(held, moment(clock.now_us) + timedelta(seconds=1000))
    store.ask_cancel("r1")
    again = store.claim("w2", 30, KINDS)
    assert again is not None and again.run.state == "cancelling"
