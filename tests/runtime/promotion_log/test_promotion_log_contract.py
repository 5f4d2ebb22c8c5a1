import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from runtime.promotion_log import PromotionConflictError, PromotionNotFoundError, open_promotion_log
from runtime.promotion_log.sql_log import SqlPromotionLog


@pytest.fixture
def log(database_url: str) -> Iterator[SqlPromotionLog]:
    opened = SqlPromotionLog(database_url)
    yield opened
    opened.close()


def _intend(log: SqlPromotionLog, to_version: str = "2", model: str = "m", alias: str = "champion") -> str:
    return log.intend(
        model=model, alias=alias, from_version="1", to_version=to_version, actor="ann", reason="better"
    ).id


def test_an_intent_is_pending_until_it_is_done(log: SqlPromotionLog) -> None:
    promotion = log.intend(
        model="m", alias="champion", from_version=None, to_version="1", actor="ann", reason="first champion"
    )
    assert (promotion.state, promotion.from_version, promotion.ended_at) == ("intent", None, None)
    assert log.pending() == [promotion]
    done = log.done(promotion.id, "moved")
    assert (done.state, done.detail, done.actor, done.reason) == ("done", "moved", "ann", "first champion")
    assert done.ended_at is not None
    assert done.ended_at >= done.created_at
    assert log.pending() == []
    assert log.history("m") == [done]


def test_a_second_intent_for_the_same_alias_is_refused_while_one_is_open(log: SqlPromotionLog) -> None:
    first = _intend(log)
    with pytest.raises(PromotionConflictError, match="champion"):
        _intend(log, "3")
    log.abandon(first, "smoke failed")
    assert _intend(log, "3") == log.pending()[0].id


def test_other_aliases_and_models_have_intents_of_their_own(log: SqlPromotionLog) -> None:
    ids = [_intend(log), _intend(log, alias="shadow"), _intend(log, model="n")]
    assert [promotion.id for promotion in log.pending()] == ids
    assert [promotion.id for promotion in log.pending("n")] == ids[2:]


def test_history_is_newest_first_and_bounded(log: SqlPromotionLog) -> None:
    ids = []
    for number in range(4):
        ids.append(_intend(log, str(number)))
        log.done(ids[-1])
    assert [promotion.id for promotion in log.history("m")] == ids[::-1]
    assert [promotion.to_version for promotion in log.history("m", limit=2)] == ["3", "2"]
    assert log.history("unknown") == []


def test_ending_twice_the_same_way_changes_nothing(log: SqlPromotionLog) -> None:
    identity = _intend(log)
    first = log.done(identity, "moved")
    assert log.done(identity, "again") == first


def test_what_has_ended_one_way_cannot_end_another(log: SqlPromotionLog) -> None:
    identity = _intend(log)
    log.abandon(identity, "smoke failed")
    with pytest.raises(PromotionConflictError, match="abandoned"):
        log.done(identity)


def test_a_promotion_that_is_not_there_cannot_end(log: SqlPromotionLog) -> None:
    with pytest.raises(PromotionNotFoundError, match="nothing-like-it"):
        log.done("nothing-like-it")


def test_of_many_writers_at_once_exactly_one_gets_the_intent(database_url: str) -> None:
    logs = [SqlPromotionLog(database_url) for _ in range(8)]
    outcomes: list[str] = []
    together = threading.Barrier(len(logs))

    def race(log: SqlPromotionLog) -> None:
        together.wait()
        try:
            outcomes.append(_intend(log))
        except PromotionConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=race, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[1:] == ["refused"] * 7
    assert len(logs[0].pending()) == 1
    for log in logs:
        log.close()


@pytest.mark.parametrize("statement", ["UPDATE promotion_events SET actor = 'eve'", "DELETE FROM promotion_events"])
def test_the_database_refuses_to_edit_or_delete(database_url: str, log: SqlPromotionLog, statement: str) -> None:
    identity = _intend(log)
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert log.pending()[0].id == identity


def test_reopening_finds_everything_again(database_url: str, log: SqlPromotionLog) -> None:
    identity = _intend(log)
    again = SqlPromotionLog(database_url)
    assert again.pending()[0].id == identity
    again.close()


def test_sqlite_flushes_fully_and_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    log = SqlPromotionLog(f"sqlite:///{tmp_path / 'release.db'}")
    with log._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    log.close()


def test_an_address_of_another_database_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ValueError, match="mysql") as caught:
        open_promotion_log("mysql://me:hunter2@db/x")
    assert "hunter2" not in str(caught.value)
