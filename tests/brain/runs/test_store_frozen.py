"""A writer that stops within a transaction, as a frozen process does."""

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from brain.runs import NewRun
from brain.runs.away import is_away
from brain.runs.store import FROZEN_MS, SqlRunStore


def test_postgresql_ends_transactions_that_nobody_works_on(postgres_database: str) -> None:
    store = SqlRunStore(postgres_database + "?application_name=brain")
    with store._database.reading() as connection:
        kept = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
        name = connection.scalar(text("SHOW application_name"))
    store.close()
    assert (kept, name) == (f"{FROZEN_MS // 1000}s", "brain")


@pytest.mark.slow
def test_a_frozen_writer_holds_others_up_for_a_while_only_and_is_told_that_its_connection_is_gone(
    postgres_database: str, make: Callable[..., NewRun]
) -> None:
    frozen, other = SqlRunStore(postgres_database), SqlRunStore(postgres_database)
    within, told = threading.Event(), []

    def freeze() -> None:
        try:
            with frozen._database.writing() as connection:
                within.set()
                time.sleep(FROZEN_MS / 1000 + 3)
                connection.execute(text("SELECT 1"))
        except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
            told.append(error)

    thread = threading.Thread(target=freeze)
    thread.start()
    assert within.wait(10)
    began = time.monotonic()
    other.create(make("r1"))
    assert FROZEN_MS / 1000 - 1 < time.monotonic() - began < FROZEN_MS / 1000 + 2
    thread.join()
    assert is_away(told[0])
    assert frozen.get("r1").state == "queued"
    frozen.close()
    other.close()
