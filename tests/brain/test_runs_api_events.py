"""Events of a run by SSE: from the store, resumed on any replica, coalesced, ended."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from brain.runs import NewRun, NewTask, Progress, RunEvent, TaskChange
from brain.runs.desk_settings import RunDeskSettings
from brain.runs.feed import coalesced
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore

RUNS = "/api/v1/runs"
KINDS = ("orchestration",)


def new_run(tasks: int = 1) -> NewRun:
    named = tuple(NewTask(f"t{number}", "toy") for number in range(tasks))
    return NewRun(new_run_id(), "orchestration", "address:127.0.0.1", {}, "d", tasks=named)


def told(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Events of a stream: number, name, data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


async def begun(desk: Any, tasks: int = 1) -> Any:
    """A run that a worker holds."""
    new = new_run(tasks)
    await desk.services.runs.run(lambda store: store.create(new))
    return await desk.services.runs.run(lambda store: store.claim("w", 30, KINDS))


async def commit(desk: Any, claimed: Any, task: str | None = None, **values: Any) -> Any:
    changes = [TaskChange(task, "succeeded", result=1)] if task else []
    return await desk.services.runs.run(lambda store: store.commit(claimed, changes, **values))


async def test_a_stream_tells_everything_from_the_beginning_and_ends_with_the_run(
    open_gateway: Callable[..., Any],
) -> None:
    desk = await open_gateway()
    claimed = await begun(desk)
    place = f"{RUNS}/{claimed.run.id}/events"
    following = asyncio.create_task(desk.client.get(place))
    await asyncio.sleep(0.5)
    await commit(desk, claimed, "t0", progress=Progress(1, 1, "tasks"), event="task")
    await commit(desk, claimed, state="succeeded", result={"t0": 1})
    answer = await asyncio.wait_for(following, 5)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = told(answer.text)
    assert [event[:2] for event in events] == [(1, "queued"), (2, "claimed"), (3, "task"), (4, "succeeded")]
    assert events[2][2]["tasks"] == [{"id": "t0", "state": "succeeded"}]
    assert events[2][2]["progress"]["done"] == 1 and events[3][2]["state"] == "succeeded"
    assert all(event[2]["run"] == claimed.run.id and datetime.fromisoformat(event[2]["at"]) for event in events)
    resumed = await desk.client.get(place, headers={"Last-Event-ID": "2"})
    assert [event[0] for event in told(resumed.text)] == [3, 4]


async def test_after_the_last_event_of_an_ended_run_there_is_no_content_so_that_browsers_stop_asking(
    open_gateway: Callable[..., Any],
) -> None:
    desk = await open_gateway()
    claimed = await begun(desk)
    await commit(desk, claimed, state="failed", reason="task_failed")
    place = f"{RUNS}/{claimed.run.id}/events"
    last = told((await desk.client.get(place)).text)[-1]
    assert last[1] == "failed" and last[2]["reason"] == "task_failed"
    for number in (str(last[0]), "999999999"):
        assert (await desk.client.get(place, headers={"Last-Event-ID": number})).status_code == 204
    for wrong in ("-1", "x", "1" * 30, "٣".encode()):
        assert (await desk.client.get(place, headers={"Last-Event-ID": wrong})).status_code == 422


async def test_a_terminal_event_of_another_name_ends_a_stream_too(open_gateway: Callable[..., Any]) -> None:
    desk = await open_gateway()
    claimed = await begun(desk)
    await commit(desk, claimed, state="succeeded", event="planned")
    answer = await asyncio.wait_for(desk.client.get(f"{RUNS}/{claimed.run.id}/events"), 5)
    assert told(answer.text)[-1][1] == "planned"


async def test_progress_that_comes_quickly_is_told_as_one_and_no_task_is_lost(open_gateway: Callable[..., Any]) -> None:
    desk = await open_gateway(runs=RunDeskSettings(progress_seconds=0.5))
    claimed = await begun(desk, tasks=30)
    following = asyncio.create_task(desk.client.get(f"{RUNS}/{claimed.run.id}/events"))
    await asyncio.sleep(0.2)
    for number in range(30):
        await commit(desk, claimed, f"t{number}", progress=Progress(number + 1, 30, "tasks"))
    await commit(desk, claimed, state="succeeded")
    events = told((await asyncio.wait_for(following, 10)).text)
    progress = [event for event in events if event[1] == "progress"]
    assert 1 <= len(progress) < 15, "fewer than were committed"
    assert {task["id"] for event in progress for task in event[2]["tasks"]} == {f"t{number}" for number in range(30)}
    assert progress[-1][2]["progress"]["done"] == 30
    assert [event[0] for event in events] == sorted(event[0] for event in events)


def test_only_progress_is_coalesced_and_the_last_state_of_a_task_stands() -> None:
    def event(number: int, name: str, **body: Any) -> RunEvent:
        return RunEvent("r", number, datetime.now(UTC), name, body)

    def task(name: str, state: str) -> dict[str, str]:
        return {"id": name, "state": state}

    found = coalesced(
        [
            event(1, "progress", tasks=[task("a", "running"), task("b", "running")], progress={"done": 0}),
            event(2, "progress", tasks=[task("a", "succeeded")], progress={"done": 1}),
            event(3, "task_failed", tasks=[task("b", "failed")]),
            event(4, "progress", progress={"done": 2}),
            event(5, "progress", state="succeeded"),
        ]
    )
    assert [one.number for one in found] == [2, 3, 4, 5]
    assert found[0].body == {"tasks": [task("b", "running"), task("a", "succeeded")], "progress": {"done": 1}}


async def test_a_quiet_stream_says_that_it_lives_and_ends_when_the_gateway_stops(
    open_gateway: Callable[..., Any],
) -> None:
    desk = await open_gateway(runs=RunDeskSettings(heartbeat_seconds=0.2))
    claimed = await begun(desk)
    following = asyncio.create_task(desk.client.get(f"{RUNS}/{claimed.run.id}/events"))
    await asyncio.sleep(1)
    assert not following.done() and desk.services.run_feed.open == 1
    assert "brain_run_streams 1.0" in (await desk.client.get("/metrics")).text
    desk.services.draining = True
    text = (await asyncio.wait_for(following, 10)).text
    assert text.count(": alive") >= 2 and desk.services.run_feed.open == 0


async def test_more_streams_than_are_allowed_are_a_503(open_gateway: Callable[..., Any]) -> None:
    desk = await open_gateway(runs=RunDeskSettings(most_streams=1))
    claimed = await begun(desk)
    place = f"{RUNS}/{claimed.run.id}/events"
    first = asyncio.create_task(desk.client.get(place))
    await asyncio.sleep(0.3)
    refused = await desk.client.get(place)
    assert refused.status_code == 503 and refused.headers["retry-after"]
    await commit(desk, claimed, state="succeeded")
    await first
    assert (await desk.client.get(place)).status_code == 200


@contextmanager
def following(client: httpx.Client, place: str, **options: Any) -> Iterator[list[tuple[float, str, str]]]:
    """Lines (moment, field, value) of a live stream, read in a thread until it is left."""
    lines: list[tuple[float, str, str]] = []
    with client.stream("GET", place, **options) as answer:
        assert answer.status_code == 200

        def read() -> None:
            try:
                for line in answer.iter_lines():
                    field, _, value = line.partition(": ")
                    lines.append((time.monotonic(), field, value))
            except httpx.HTTPError:
                return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield lines


def ids(lines: list[tuple[float, str, str]]) -> list[int]:
    return [int(value) for _, field, value in lines if field == "id"]


@pytest.mark.system("postgresql")
def test_a_stream_is_resumed_on_another_replica_and_a_wait_there_ends_within_a_moment(
    start_gateway: Callable[..., Any], predictor: Any, postgres_database: str, tmp_path: Any, wait_until: Any
) -> None:
    replicas = [
        start_gateway(predictor.url, tmp_path / name, database_url=postgres_database, fraud_database_url=decisions)
        for name in ("one", "two")
        for decisions in [f"sqlite:///{tmp_path / name / 'decisions.db'}"]
    ]
    store = SqlRunStore(postgres_database)
    run = store.create(new_run())
    place = f"{RUNS}/{run.id}"
    with replicas[0].client() as one, replicas[1].client() as two:
        with following(one, f"{place}/events") as lines:
            wait_until(lambda: ids(lines) == [1], 10)
            claimed = store.claim("w", 60, KINDS)
            assert claimed is not None
            wait_until(lambda: ids(lines) == [1, 2], 10)
        replicas[0].stop()
        store.commit(claimed, [TaskChange("t0", "succeeded", result=1)], event="task")
        answers: list[tuple[float, httpx.Response]] = []

        def wait() -> None:
            with replicas[1].client() as third:
                answer = third.get(place, headers={"Prefer": "wait=20"})
                answers.append((time.monotonic(), answer))

        waiting = threading.Thread(target=wait)
        waiting.start()
        with following(two, f"{place}/events", headers={"Last-Event-ID": "2"}) as lines:
            wait_until(lambda: ids(lines) == [3], 10)
            time.sleep(0.5)
            ended = time.monotonic()
            store.commit(claimed, state="succeeded", result={"t0": 1})
            wait_until(lambda: ids(lines) == [3, 4], 10)
            waiting.join(10)
        seen = next(moment for moment, field, value in lines if (field, value) == ("id", "4"))
        assert seen - ended < 5
        ((woken, answer),) = answers
        assert woken - ended < 5 and answer.json()["state"] == "succeeded"
    store.close()


def test_a_gateway_that_is_told_to_end_answers_who_waits_and_closes_its_streams(
    start_gateway: Callable[..., Any], predictor: Any, tmp_path: Any, wait_until: Any
) -> None:
    database = f"sqlite:///{tmp_path / 'brain.db'}"
    gateway = start_gateway(predictor.url, database_url=database, drain_notice_seconds="0.1")
    store = SqlRunStore(database)
    place = f"{RUNS}/{store.create(new_run()).id}"
    answers: list[httpx.Response] = []

    def wait() -> None:
        with gateway.client() as other:
            answers.append(other.get(place, headers={"Prefer": "wait=60"}))

    waiting = threading.Thread(target=wait)
    with gateway.client() as client, following(client, f"{place}/events") as lines:
        waiting.start()
        wait_until(lambda: ids(lines) == [1], 10)
        time.sleep(0.5)
        begun = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - begun < 15, "before the 20 s are over that requests in hand are given"
        waiting.join(10)
    assert [answer.json()["state"] for answer in answers] == ["queued"]
    assert store.get(place.rpartition("/")[2]).state == "queued"
    store.close()
