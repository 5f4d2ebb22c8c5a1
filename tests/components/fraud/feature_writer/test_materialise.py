"""Bringing states online: what counts once, and what a kill leaves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.fraud.cards.events import Label
from components.fraud.cards.history import final_states
from components.fraud.cards.state import EntityState
from components.fraud.cards.table import TransactionsError
from components.fraud.feature_writer import materialise
from components.fraud.feature_writer.folding import CARD_STREAM
from components.fraud.feature_writer.loop import fold_batch
from components.fraud.feature_writer.materialise import materialise_states
from feature_repo import names
from feature_repo.fraud_online import FeastCardStates
from feature_repo.writer_lock import WriterBusyError, writing
from runtime.decision_log import open_decision_log
from runtime.decision_log.sql_log import SqlDecisionLog

Stored = Callable[[FeastCardStates], dict[tuple[str, str], bytes]]


@pytest.fixture
def table(world: Any, tmp_path: Path) -> Path:
    found: Path = world.write_table(tmp_path / "transactions.parquet")
    return found


def _moment(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


def _history(table: Path, at: datetime, sequence: int) -> dict[tuple[str, str], bytes]:
    found = {}
    for kind, name, state in final_states(table, at):
        state.last_sequence = sequence
        found[(str(kind), name)] = state.encode()
    return found


def test_without_a_log_the_states_are_those_of_the_history(
    world: Any, table: Path, states: FeastCardStates, stored: Stored
) -> None:
    at = _moment(world.rows[100]["occurred_us"])
    report = materialise_states(table, at)
    assert (report.customers, report.terminals, report.sequence, report.logged_events) == (5, 4, 0, 0)
    assert stored(states) == _history(table, at, -1)
    log = open_decision_log()
    assert log.cursor(names.CARD_CURSOR) == 0
    log.close()


def test_what_stands_in_both_counts_once_and_may_be_sent_along_without_harm(
    world: Any, table: Path, log: SqlDecisionLog, states: FeastCardStates, stored: Stored
) -> None:
    happenings = world.happenings()
    at = _moment(happenings[-1].at_us)
    log.commit([one.new for one in happenings[-40:]])
    report = materialise_states(table, at, log=log)
    assert report.logged_events == 0
    assert stored(states) == _history(table, at, 40)
    with writing(states.store, "a test"):
        assert fold_batch(log, states, 100) == 0
    (state,), _ = states.read(["C1"], [])
    assert state is not None
    assert EntityState.decode(state).last_sequence == 40


def test_a_label_that_the_history_did_not_know_is_taken_from_the_log(
    world: Any, table: Path, log: SqlDecisionLog, states: FeastCardStates, stored: Stored
) -> None:
    late = [one for one in world.happenings() if isinstance(one.event, Label) and one.event.fraud]
    at_us = late[10].at_us - 1
    happened = [one for one in world.happenings() if one.at_us <= at_us]
    log.commit([one.new for one in late[10:14] if one.event.occurred_us <= at_us])
    sent = log.head(CARD_STREAM)
    report = materialise_states(table, _moment(at_us), log=log)
    assert report.logged_events == sent > 0
    assert stored(states) != _history(table, _moment(at_us), sent)
    assert len(happened) > 10


def test_materialising_twice_changes_nothing(
    world: Any, table: Path, log: SqlDecisionLog, states: FeastCardStates, stored: Stored
) -> None:
    happenings = world.happenings()
    at = _moment(happenings[150].at_us)
    log.commit([one.new for one in happenings[140:200]])
    first = materialise_states(table, at, log=log)
    once = stored(states)
    assert materialise_states(table, at, log=log).logged_events == first.logged_events
    assert stored(states) == once


@pytest.mark.parametrize("writes", [0, 1, 3])
def test_a_killed_materialisation_leaves_states_that_the_feature_writer_goes_on_from(
    world: Any,
    table: Path,
    log: SqlDecisionLog,
    states: FeastCardStates,
    stored: Stored,
    killed_in_fork: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
) -> None:
    happenings = world.happenings()
    at = _moment(happenings[120].at_us)
    materialise_states(table, at, log=log)
    log.commit([one.new for one in happenings[121:180]])
    with writing(states.store, "a test"):
        fold_batch(log, states, 20)
    log.close()
    url = str(log._database.engine.url)
    monkeypatch.setattr(materialise, "_WRITE_STATES", 2)

    def work(die: Callable[..., None]) -> None:
        left = [writes]
        write = FeastCardStates.write

        def dying(self: FeastCardStates, *rows: Any) -> None:
            if left[0] == 0:
                die()
            left[0] -= 1
            write(self, *rows)

        monkeypatch.setattr(FeastCardStates, "write", dying)
        materialise_states(table, at, log=SqlDecisionLog(url))

    killed_in_fork(work)
    assert log.cursor(names.CARD_CURSOR) == 20
    with writing(states.store, "a test"):
        while fold_batch(log, states, 7):
            pass
    followed = {key: _without_sequence(state) for key, state in stored(states).items()}
    materialise_states(table, at, log=log)
    assert followed == {key: _without_sequence(state) for key, state in stored(states).items()}


def _without_sequence(state: bytes) -> bytes:
    """A followed state holds its own newest event's sequence, a materialised one the whole log's."""
    decoded = EntityState.decode(state)
    decoded.last_sequence = 0
    return decoded.encode()


def test_a_store_that_another_writes_is_waited_for(table: Path, log: SqlDecisionLog, states: FeastCardStates) -> None:
    with writing(states.store, "something long"), pytest.raises(WriterBusyError, match="something long"):
        materialise_states(table, datetime(2026, 4, 1, tzinfo=UTC), log=log, lock_seconds=0.2)


def test_a_table_without_rows_is_refused_and_moves_no_cursor(
    tmp_path: Path, log: SqlDecisionLog, states: FeastCardStates, world: Any
) -> None:
    import pyarrow.parquet as pq

    from components.fraud.cards.table import TRANSACTION_SCHEMA

    pq.write_table(TRANSACTION_SCHEMA.empty_table(), tmp_path / "empty.parquet")
    log.commit([world.happenings()[0].new])
    with pytest.raises(TransactionsError):
        materialise_states(tmp_path / "empty.parquet", datetime(2026, 4, 1, tzinfo=UTC), log=log)
    assert log.cursor(names.CARD_CURSOR) == 0
