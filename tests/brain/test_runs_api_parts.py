"""Workers and runs in `/status` and `/metrics`."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from brain.runs import NewRun
from brain.runs.ids import new_run_id
from brain.runs.presence import SEEN_SECONDS, Beat
from brain.runs.workers import workers


def new_run(kind: str = "plan") -> NewRun:
    return NewRun(new_run_id(), kind, "ann", {}, "d")


async def worker_part(gateway: Any) -> dict[str, Any]:
    parts = (await gateway.client.get("/status")).json()["parts"]
    return next(part for part in parts if part["name"] == "brain-worker")


async def test_a_worker_that_was_never_there_is_absent_until_a_run_waits_for_it(
    open_gateway: Callable[..., Any],
) -> None:
    gateway = await open_gateway()
    assert (await worker_part(gateway))["state"] == "absent"
    await gateway.services.runs.run(lambda store: store.create(new_run()))
    part = await worker_part(gateway)
    assert (part["state"], part["waiting"]) == ("down", 1) and "1 run waits" in part["detail"]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_worker_is_up_while_it_beats_and_down_when_it_has_not_been_seen(
    open_gateway: Callable[..., Any], database: str, request: pytest.FixtureRequest
) -> None:
    options = {"database_url": request.getfixturevalue("postgres_database")} if database == "postgresql" else {}
    gateway = await open_gateway(**options)
    runs = gateway.services.runs
    for held in (0, 2):
        await runs.run(lambda store: store.beat(Beat("w1", "127.0.0.1:8010", "1.2", ("plan",), held, 8)))  # noqa: B023
    part = await worker_part(gateway)
    assert (part["state"], part["version"], part["address"], part["waiting"]) == ("up", "1.2", "127.0.0.1:8010", 0)
    (seen,) = await runs.run(lambda store: store.seen_workers())
    assert seen.beat.held == 2 and seen.lives and seen.age_seconds < 5

    def age(store: Any) -> None:
        older = workers.c.seen_us - round((SEEN_SECONDS + 60) * 1e6)
        with store._database.writing() as connection:
            connection.execute(update(workers).values(seen_us=older))

    await runs.run(age)
    part = await worker_part(gateway)
    assert part["state"] == "down" and "not seen for" in part["detail"]
    await runs.run(lambda store: store.leave("w1"))
    assert (await worker_part(gateway))["state"] == "absent"


async def test_metrics_count_runs_by_kind_and_state_and_say_how_long_the_oldest_waits(
    open_gateway: Callable[..., Any],
) -> None:
    gateway = await open_gateway()
    ids = [new_run("plan"), new_run("plan"), new_run("orchestration")]
    for new in ids:
        await gateway.services.runs.run(lambda store: store.create(new))  # noqa: B023
    await gateway.services.runs.run(lambda store: store.ask_cancel(ids[0].id))
    text = (await gateway.client.get("/metrics")).text
    assert 'brain_runs{kind="plan",state="queued"} 1.0' in text
    assert 'brain_runs{kind="plan",state="cancelled"} 1.0' in text
    assert 'brain_runs{kind="orchestration",state="queued"} 1.0' in text
    (age,) = [line.split()[1] for line in text.splitlines() if line.startswith("brain_runs_oldest_queued_seconds ")]
    assert 0 < float(age) < 60
    assert "brain_run_streams 0.0" in text and "brain_run_store_up 1.0" in text and "brain_run_workers 0.0" in text


async def test_metrics_are_there_while_the_run_store_is_away(
    open_gateway: Callable[..., Any], free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    monkeypatch.setattr("brain.settings.BrainSettings.resolved_runs_url", nowhere)
    gateway = await open_gateway()
    text = (await gateway.client.get("/metrics")).text
    assert "brain_run_store_up 0.0" in text and "brain_runs{" not in text
    part = await worker_part(gateway)
    assert part["state"] == "down" and "run store" in part["detail"] and "127.0.0.1" not in part["detail"]
