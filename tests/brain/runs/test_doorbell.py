"""The doorbell rings in one process for what another has written."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from brain.runs.doorbell import Doorbell
from brain.runs.ids import is_run_id, new_run_id
from brain.runs.store import SqlRunStore

KINDS = ("orchestration",)


@pytest.fixture
async def doorbell(database_url: str, store: SqlRunStore) -> AsyncIterator[Doorbell]:
    """Has rung for having been opened, and is quiet."""
    opened = Doorbell(database_url)
    assert await opened.wait(5)
    await asyncio.sleep(0.1)
    yield opened
    opened.close()


async def test_a_commit_rings_within_a_moment(doorbell: Doorbell, store: SqlRunStore, make: Callable[..., Any]) -> None:
    waiting = asyncio.create_task(doorbell.wait(5))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    await asyncio.to_thread(store.create, make("r1"))
    assert await waiting
    assert time.monotonic() - begun < 2


async def test_everybody_who_waits_is_woken_by_one_ring(
    doorbell: Doorbell, store: SqlRunStore, make: Callable[..., Any]
) -> None:
    waiting = [asyncio.create_task(doorbell.wait(5)) for _ in range(20)]
    await asyncio.sleep(0.1)
    await asyncio.to_thread(store.create, make("r1"))
    assert all(await asyncio.gather(*waiting))


async def test_nothing_rings_while_nothing_is_written(doorbell: Doorbell) -> None:
    assert not await doorbell.wait(0.3, doorbell.rings)


async def test_what_was_written_between_looking_and_waiting_is_not_missed(
    doorbell: Doorbell, store: SqlRunStore, make: Callable[..., Any]
) -> None:
    for number in range(5):
        rung = doorbell.rings
        await asyncio.to_thread(store.create, make(f"r{number}"))
        assert await doorbell.wait(2, rung), "written while nobody waited"


async def test_claims_commits_cancels_and_releases_ring(
    doorbell: Doorbell, store: SqlRunStore, make: Callable[..., Any]
) -> None:
    async def rings(work: Callable[[], Any]) -> Any:
        await asyncio.sleep(0.15)
        rung = doorbell.rings
        done = await asyncio.to_thread(work)
        assert await doorbell.wait(2, rung)
        return done

    await rings(lambda: store.create(make("r1")))
    claimed = await rings(lambda: store.claim("w1", 30, KINDS))
    await rings(lambda: store.commit(claimed))
    await rings(lambda: store.ask_cancel("r1"))
    await rings(lambda: store.release(claimed))


async def test_a_doorbell_that_is_opened_before_the_store_rings_once_there_is_one(
    database_url: str, make: Callable[..., Any]
) -> None:
    early = Doorbell(database_url)
    waiting = asyncio.create_task(early.wait(10))
    await asyncio.sleep(0.2)
    opened = await asyncio.to_thread(SqlRunStore, database_url)
    assert await waiting
    opened.close()
    early.close()


@pytest.mark.system("postgresql")
async def test_on_postgresql_it_rings_again_after_its_connection_was_cut(
    postgres_database: str, make: Callable[..., Any]
) -> None:
    store, doorbell = SqlRunStore(postgres_database), Doorbell(postgres_database)
    assert await doorbell.wait(5)
    rung = doorbell.rings
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doorbell'"
        assert connection.execute(cut).fetchall() == [(True,)]
    assert await doorbell.wait(10, rung), "back, it rings for whatever was missed"
    rung = doorbell.rings
    await asyncio.to_thread(store.create, make("r1"))
    assert await doorbell.wait(2, rung)
    doorbell.close()
    store.close()


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        Doorbell("mysql://somewhere")


def test_ids_sort_by_the_time_of_their_making_and_are_recognised() -> None:
    ids = []
    for _ in range(20):
        ids.append(new_run_id())
        time.sleep(0.002)
    assert sorted(ids) == ids and len(set(ids)) == 20
    assert all(is_run_id(one) and len(one) == 30 for one in ids)
    assert not any(map(is_run_id, ["", "run_", "run_" + "0" * 25, "run_" + "8" * 26, "run_" + "U" * 26, "run_\x00"]))
