"""The worker's loop, with handlers of the test's own, within one process and on both databases."""

import asyncio
import time
from typing import Any

import pytest

from brain.runs import LeaseLostError, NewTask, Progress, TaskChange
from brain.worker.port import Held, Outcome
from brain.worker.settings import WorkerSettings
from runtime.problems import Problem
from tests.support.floor import away


@pytest.fixture
def runs_url(database_url: str) -> str:
    """The loop is tried on both databases."""
    return database_url


async def test_a_handlers_outcome_ends_its_run_with_all_that_it_says(floor: Any) -> None:
    async def handler(held: Held) -> Outcome:
        await held.commit(progress=Progress(1, 4, "steps", "half way"))
        return Outcome("succeeded", result={"plan": [1]}, progress=Progress(4, 4, "steps"))

    run = floor.accept(kind="plan")
    async with floor.working({"plan": handler}):
        ended = await floor.ended(run.id)
    assert (ended.state, ended.result, ended.progress) == ("succeeded", {"plan": [1]}, Progress(4, 4, "steps"))


async def test_runs_of_kinds_without_a_handler_are_left_alone(floor: Any) -> None:
    swarm, own = floor.accept(kind="swarm"), floor.accept(NewTask("a", "add", {"left": 1}))
    async with floor.working():
        await floor.ended(own.id)
    assert floor.store.get(swarm.id).state == "queued"


@pytest.mark.parametrize("raised", [RuntimeError("secret of the house"), Problem(422, detail="no such playbook")])
async def test_a_handler_that_raises_fails_its_run_and_the_next_one_runs(floor: Any, raised: Exception) -> None:
    async def handler(held: Held) -> Outcome:
        if held.run.request:
            raise raised
        return Outcome("succeeded")

    bad = floor.accept(NewTask("a", "add"), kind="plan", request={"bad": True})
    good = floor.accept(kind="plan")
    async with floor.working({"plan": handler}):
        ended = await floor.ended(bad.id)
        assert (await floor.ended(good.id)).state == "succeeded"
    expected = raised.status if isinstance(raised, Problem) else 500
    assert (ended.state, ended.reason.partition(":")[0], ended.result["status"]) == ("failed", "task_failed", expected)
    assert "secret" not in ended.reason + str(ended.result)
    assert floor.tasks(bad.id)["a"].state == "failed"


async def test_no_more_runs_are_held_than_there_are_places(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"places": 2})
    runs = [floor.accept(NewTask("a", "hold")) for _ in range(5)]
    async with floor.working():
        await floor.becomes(lambda: floor.toys.at_once, lambda number: number == 2)
        await asyncio.sleep(0.2)
        assert [floor.store.get(run.id).state for run in runs] == ["running"] * 2 + ["queued"] * 3
        floor.toys.let_go.set()
        for run in runs:
            await floor.ended(run.id)
    assert floor.toys.most_at_once == 2


async def test_a_run_is_held_for_longer_than_its_first_lease(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"lease_seconds": 0.6})
    run = floor.accept(NewTask("a", "hold"))
    async with floor.working():
        await floor.toys.begun.wait()
        await asyncio.sleep(1.5)
        assert floor.store.claim("other", 1, ("orchestration",)) is None
        floor.toys.let_go.set()
        assert (await floor.ended(run.id)).state == "succeeded"
    assert floor.store.get(run.id).epoch == 1


async def test_a_handler_whose_lease_is_lost_is_told_and_commits_nothing(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"lease_seconds": 0.9})
    told: list[str] = []

    async def handler(held: Held) -> Outcome:
        try:
            await held.stop.wait()
            with pytest.raises(LeaseLostError):
                await held.commit(progress=Progress(1))
            told.append("stopped")
        except asyncio.CancelledError:
            told.append("cut off")
            raise
        return Outcome("succeeded")

    run = floor.accept(kind="plan")
    async with floor.working({"plan": handler}):
        await floor.becomes(lambda: floor.store.get(run.id).state, lambda state: state == "running")
        _take_over(floor, run.id)
        await floor.becomes(lambda: told, bool, 3)
    assert floor.store.get(run.id).state == "running" and floor.store.get(run.id).epoch == 2


def _take_over(floor: Any, run_id: str) -> None:
    """As if the worker had been silent: another holds the run under the next epoch."""
    from sqlalchemy import text

    with floor.store._database.writing() as connection:
        change = "UPDATE runs SET epoch = epoch + 1, holder = 'other' WHERE id = :id"
        connection.execute(text(change), {"id": run_id})


async def test_a_worker_that_drains_lets_calls_end_and_gives_the_rest_back(floor: Any) -> None:
    run = floor.accept(NewTask("a", "hold"), NewTask("b", "add", {"left": 1}, ("a",)))
    async with floor.working() as drained:
        await floor.toys.begun.wait()
        ending = asyncio.create_task(drained())
        await asyncio.sleep(0.2)
        waiting = floor.accept(NewTask("c", "add", {"left": 1}))
        floor.toys.let_go.set()
        await ending
    tasks = floor.tasks(run.id)
    assert [(task.state, task.lost) for task in tasks.values()] == [("succeeded", 0), ("waiting", 0)]
    assert floor.store.get(waiting.id).state == "queued", "a worker that drains takes nothing"
    async with floor.working(name="w2"):
        assert (await floor.ended(run.id)).state == "succeeded"
    assert floor.toys.calls[f"{run.id}/a"] == 1


async def test_a_call_that_does_not_end_in_time_is_cut_off_and_taken_up_at_once(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"drain_seconds": 0.3, "lease_seconds": 60.0})
    run = floor.accept(NewTask("a", "hold"))
    async with floor.working() as drained:
        await floor.toys.begun.wait()
        await drained()
    assert floor.tasks(run.id)["a"].state == "running"
    begun = time.monotonic()
    floor.toys.let_go.set()
    async with floor.working(name="w2"):
        assert (await floor.ended(run.id)).state == "succeeded"
    assert time.monotonic() - begun < 10 and floor.tasks(run.id)["a"].lost == 1


async def test_a_queued_run_that_is_late_is_ended_although_no_place_is_free(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"places": 1})
    floor.accept(NewTask("a", "hold"))
    async with floor.working():
        await floor.toys.begun.wait()
        late = floor.accept(NewTask("b", "add", {"left": 1}), deadline_seconds=0.3)
        ended = await floor.ended(late.id, 5)
    assert (ended.state, ended.reason.partition(":")[0]) == ("failed", "expired")


async def test_a_caller_with_two_hundred_runs_starves_nobody(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"places": 4})
    many = [floor.accept(NewTask("a", "add", {"left": 1}), owner="many") for _ in range(200)]
    few = [floor.accept(NewTask("a", "add", {"left": 1}), owner="few") for _ in range(5)]
    async with floor.working():
        for run in few:
            await floor.ended(run.id, 60)
        left = floor.store.counts().runs.get(("orchestration", "queued", "normal"), 0)
    assert left > 150, f"{200 - left} of the many were begun before five of the few had ended"
    order = sorted((floor.store.get(run.id) for run in (*few, *many[:20])), key=lambda run: str(run.started_at))
    assert [run.owner for run in order[:10]].count("few") == 5


async def test_two_workers_share_the_runs_and_none_is_done_twice(floor: Any) -> None:
    runs = [floor.accept(NewTask("a", "add", {"left": number})) for number in range(30)]
    async with floor.working(name="w1"), floor.working(name="w2"):
        for run in runs:
            assert (await floor.ended(run.id, 60)).state == "succeeded"
    assert floor.toys.calls == {f"{run.id}/a": 1 for run in runs}
    assert {floor.store.get(run.id).epoch for run in runs} == {1}


async def test_a_cancel_is_noticed_at_once(floor: Any) -> None:
    floor.settings = floor.settings.model_copy(update={"lease_seconds": 60.0, "poll_seconds": 20.0})
    run = floor.accept(NewTask("a", "hold"))
    async with floor.working():
        await floor.toys.begun.wait()
        begun = time.monotonic()
        floor.store.ask_cancel(run.id)
        assert (await floor.ended(run.id, 10)).state == "cancelled"
        assert time.monotonic() - begun < 5, "the doorbell rings; nobody waits for the next poll"


async def test_those_who_look_at_the_workers_see_one_that_works_and_not_one_that_left(floor: Any) -> None:
    async with floor.working(name="here"):
        seen = await floor.becomes(floor.store.seen_workers, bool)
        assert [one.beat.id for one in seen] == ["here"] and seen[0].lives
    assert floor.store.seen_workers() == []


async def test_a_commit_waits_for_a_database_that_is_away_and_is_recorded_once(
    floor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    commit, fails = floor.store.commit, ["before", "before", "after"]

    def sometimes(*given: Any, **more: Any) -> Any:
        """The connection breaks before the commit, or after it, when only the answer is lost."""
        how = fails.pop(0) if fails else ""
        if how == "before":
            raise OperationalError("commit", {}, OSError("gone"))
        made = commit(*given, **more)
        if how == "after":
            raise OperationalError("commit", {}, OSError("gone"))
        return made

    monkeypatch.setattr(floor.store, "commit", sometimes)
    run, tasks = await floor.carry_out(NewTask("a", "add", {"left": 1}))
    assert (run.state, run.spent_minor, tasks["a"].attempt) == ("succeeded", 4, 1) and not fails
    assert floor.toys.calls == {f"{run.id}/a": 1}


async def test_an_end_whose_answer_was_lost_is_an_end(floor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    commit = floor.store.commit
    lost: list[str] = []

    def loses_the_end(*given: Any, **more: Any) -> Any:
        made = commit(*given, **more)
        if more.get("state") and not lost:
            lost.append(made.id)
            raise OperationalError("commit", {}, OSError("gone"))
        return made

    monkeypatch.setattr(floor.store, "commit", loses_the_end)
    run, _ = await floor.carry_out(NewTask("a", "add", {"left": 1}))
    await asyncio.sleep(0.2)
    assert run.state == "succeeded" and lost == [run.id]
    assert floor.vitals.ended.labels("orchestration", "succeeded")._value.get() == 1


async def test_a_change_that_the_database_refuses_fails_the_run_instead_of_trying_for_ever(floor: Any) -> None:
    async def handler(held: Held) -> Outcome:
        await held.commit([TaskChange("never heard of", "succeeded")])
        return Outcome("succeeded")

    run = floor.accept(kind="plan")
    async with floor.working({"plan": handler}):
        assert (await floor.ended(run.id)).state == "failed"


async def test_an_outcome_that_cannot_be_recorded_fails_the_run_instead_of_coming_back_for_ever(floor: Any) -> None:
    async def handler(held: Held) -> Outcome:
        return Outcome("succeeded", result={"makespan": float("nan")})

    run = floor.accept(kind="plan")
    async with floor.working({"plan": handler}):
        ended = await floor.ended(run.id)
    assert (ended.state, ended.result["status"], ended.epoch) == ("failed", 500, 1)


async def test_a_run_without_tasks_with_which_three_workers_died_is_not_tried_again(floor: Any) -> None:
    tried: list[str] = []

    async def handler(held: Held) -> Outcome:
        tried.append(held.run.id)
        return Outcome("succeeded")

    kills = floor.accept(kind="plan")
    for _ in range(3):
        floor.store.claim("dead", 0.2, ("plan",))
        await asyncio.sleep(0.21)
    dead = floor.store.claim("dies last", 60, ("plan",))
    rests = floor.accept(kind="plan")
    for _ in range(4):
        floor.store.release(floor.store.claim("drains", 60, ("plan",)))
    floor.store.renew(dead, 0.05)
    async with floor.working({"plan": handler}):
        ended = await floor.ended(kills.id)
        assert (await floor.ended(rests.id)).state == "succeeded"
    assert (ended.state, ended.result["type"], tried) == ("failed", "worker-lost", [rests.id])


async def test_a_run_in_a_long_pause_leaves_its_place_to_others_and_comes_back(
    floor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brain.orchestration.engine.REST_SECONDS", 0.3)
    floor.settings = floor.settings.model_copy(update={"places": 1})
    floor.toys.troubles = [away(503)]
    resting = floor.accept(NewTask("a", "flaky", options={"retries": {"backoff_seconds": 2.0}}))
    async with floor.working():
        await floor.becomes(lambda: floor.tasks(resting.id)["a"].due_at, bool)
        other = floor.accept(NewTask("b", "add", {"left": 1}))
        other = await floor.ended(other.id)
        ended = await floor.ended(resting.id)
    assert (ended.state, ended.epoch, floor.tasks(resting.id)["a"].lost) == ("succeeded", 2, 0)
    assert other.finished_at < ended.finished_at


async def test_a_run_in_a_long_pause_is_cancelled_at_once(floor: Any) -> None:
    floor.toys.troubles = [away(503)]
    run = floor.accept(
        NewTask("a", "flaky", options={"retries": {"backoff_seconds": 600.0, "max_backoff_seconds": 600.0}})
    )
    async with floor.working():
        await floor.becomes(lambda: [one.event for one in floor.store.events(run.id)], lambda told: "released" in told)
        floor.store.ask_cancel(run.id)
        assert (await floor.ended(run.id, 5)).state == "cancelled"
    assert floor.tasks(run.id)["a"].state == "cancelled"


def test_a_worker_that_would_be_called_stuck_while_it_waits_is_refused() -> None:
    with pytest.raises(ValueError, match="more than twice poll_seconds"):
        WorkerSettings(poll_seconds=40, stuck_after_seconds=60)
