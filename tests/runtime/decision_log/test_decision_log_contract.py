"""What every decision log keeps to, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from runtime.decision_log import (
    DuplicateEventError,
    EntityKey,
    HeadMovedError,
    KeyReusedError,
    NewEvent,
    RuleSetConflictError,
    open_decision_log,
)
from runtime.decision_log.sql_log import SqlDecisionLog

MakeEvent = Callable[..., NewEvent]
DAY_SECONDS = 24 * 3600


def test_what_was_committed_is_found_by_event_decision_and_key(log: SqlDecisionLog, event: MakeEvent) -> None:
    (logged,) = log.commit([event("t1", idempotency_key="k1", alert="a1")])
    assert (logged.sequence, logged.keys, logged.alert_id) == (1, (("customer", "C1"), ("terminal", "T1")), "a1")
    assert logged.decision == {"id": "decision-t1", "decision": "accept", "probability": 0.1}
    assert log.find_event("cards", "t1") == logged
    assert log.find_decision("decision-t1") == logged
    assert log.find_key("ann", "k1") == logged
    assert log.find_event("flows", "t1") is None
    assert log.find_decision("decision-t2") is None
    assert log.find_key("bob", "k1") is None


def test_numbers_come_back_to_the_bit(log: SqlDecisionLog, event: MakeEvent) -> None:
    body = {"a": 0.1 + 0.2, "b": 5e-324, "c": 2**53 + 1, "d": "\u0000\n😀é", "e": [None, True]}
    log.commit([event("t1", body=body)])
    assert log.find_event("cards", "t1").body == body


def test_a_body_that_is_no_json_is_refused_and_leaves_nothing(log: SqlDecisionLog, event: MakeEvent) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.commit([event("t1"), event("t2", body={"amount": float("nan")})])
    assert log.head("cards") == 0


def test_sequences_start_at_one_and_have_no_holes_across_streams_and_failures(
    log: SqlDecisionLog, event: MakeEvent
) -> None:
    log.commit([event("t1"), event("t2")])
    with pytest.raises(DuplicateEventError):
        log.commit([event("t3"), event("t1", decision={"id": "other"})])
    log.commit([event("f1", stream="flows")])
    (last,) = log.commit([event("t3")])
    assert last.sequence == 4
    assert (log.head("cards"), log.head("flows"), log.head("nothing")) == (4, 3, 0)


def test_reading_a_stream_pages_in_order_without_decisions(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event(f"t{number}") for number in range(5)])
    log.commit([event("f1", stream="flows")])
    log.commit([event("t5")])
    first = log.read("cards", 0, 4)
    rest = log.read("cards", first[-1].sequence, 4)
    assert [one.event_id for one in (*first, *rest)] == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert {one.decision for one in (*first, *rest)} == {None}
    assert log.read("cards", rest[-1].sequence, 4) == []


def test_an_event_of_the_same_id_is_refused_with_what_is_there(log: SqlDecisionLog, event: MakeEvent) -> None:
    (first,) = log.commit([event("t1")])
    with pytest.raises(DuplicateEventError, match="'t1'.*sequence 1") as caught:
        log.commit([event("t0"), event("t1", body={}, decision={"id": "second"})])
    assert caught.value.existing == {1: first}
    assert log.head("cards") == 1
    log.commit([event("t1", stream="flows", decision=None)])


def test_the_same_key_and_request_get_the_first_answer(log: SqlDecisionLog, event: MakeEvent) -> None:
    (first,) = log.commit([event("t1", idempotency_key="k1", request_digest="d")])
    again = event("t2", idempotency_key="k1", request_digest="d", decision={"id": "other"}, alert="a")
    new, repeated = log.commit([event("t3"), again])
    assert repeated == first
    assert (new.event_id, new.sequence) == ("t3", 2)
    assert log.find_event("cards", "t2") is None
    assert log.alerts.list() == []


def test_a_key_used_with_another_request_is_refused(log: SqlDecisionLog, event: MakeEvent) -> None:
    (first,) = log.commit([event("t1", idempotency_key="k1", request_digest="d")])
    with pytest.raises(KeyReusedError, match="'t1'") as caught:
        log.commit([event("t2"), event("t3", idempotency_key="k1", request_digest="e")])
    assert caught.value.existing == {1: first}
    assert log.head("cards") == 1
    log.commit([event("t4", caller="bob", idempotency_key="k1", request_digest="e")])


def test_a_key_is_kept_for_a_day(log: SqlDecisionLog, event: MakeEvent, clock: Any) -> None:
    log.commit([event("t1", idempotency_key="k1", request_digest="d")])
    clock.advance(DAY_SECONDS - 1)
    assert log.forget_keys() == 0
    assert log.find_key("ann", "k1").event_id == "t1"
    clock.advance(1)
    assert log.find_key("ann", "k1") is None
    log.commit([event("t2", idempotency_key="k1", request_digest="e")])
    assert log.find_key("ann", "k1").event_id == "t2"
    clock.advance(DAY_SECONDS)
    assert log.forget_keys() == 1
    assert log.forget_keys() == 0


def test_one_commit_holds_one_stream_and_no_id_twice(log: SqlDecisionLog, event: MakeEvent) -> None:
    with pytest.raises(ValueError, match="one stream"):
        log.commit([event("t1"), event("t2", stream="flows")])
    with pytest.raises(ValueError, match="'t1'"):
        log.commit([event("t1"), event("t1", decision=None)])
    with pytest.raises(ValueError, match="k1"):
        log.commit([event("t1", idempotency_key="k1"), event("t2", idempotency_key="k1")])
    with pytest.raises(ValueError, match="`id`"):
        log.commit([event("t1", decision={})])
    with pytest.raises(ValueError, match="colon"):
        log.commit([event("t1", ("a:b", "c"))])
    assert log.commit([]) == []
    assert log.head("cards") == 0


def test_recent_finds_events_of_any_key_once_and_in_order(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit(
        [
            event("t1", ("customer", "C1"), ("terminal", "T1")),
            event("t2", ("customer", "C2"), ("terminal", "T2")),
            event("t3", ("customer", "C1"), ("terminal", "T2")),
            event("t4", ("terminal", "C1"), ("customer", "T1")),
        ]
    )
    log.commit([event("f1", ("customer", "C1"), stream="flows")])

    def ids(*keys: EntityKey, after: int = 0, limit: int = 10) -> list[str]:
        return [one.event_id for one in log.recent("cards", keys, after, limit)]

    assert ids(("customer", "C1"), ("terminal", "T2")) == ["t1", "t2", "t3"]
    assert ids(("customer", "C1"), ("terminal", "T2"), after=1) == ["t2", "t3"]
    assert ids(("customer", "C1"), ("terminal", "T2"), limit=2) == ["t1", "t2"]
    assert ids(("customer", "C9")) == []
    assert ids() == []


def test_recent_takes_thousands_of_keys(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1", ("customer", "C7")), event("t2", ("customer", "x"))])
    keys = [("customer", f"C{number}") for number in range(20_000)]
    assert [one.event_id for one in log.recent("cards", keys, 0, 10)] == ["t1"]


def test_a_commit_stands_when_its_keys_have_not_moved(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1"), event("t2", ("customer", "C2"))])
    log.commit([event("t3")], {("customer", "C1"): 1, ("terminal", "T1"): 1, ("customer", "C9"): 0})
    assert log.head("cards") == 3


def test_a_commit_whose_key_has_moved_is_refused_and_says_which(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1"), event("t2", ("customer", "C2"), ("terminal", "T1"))])
    with pytest.raises(HeadMovedError, match="terminal 'T1' with sequence 2") as caught:
        log.commit([event("t3")], {("customer", "C1"): 1, ("terminal", "T1"): 1})
    assert caught.value.moved == {("terminal", "T1"): 2}
    assert log.head("cards") == 2


def test_events_of_another_stream_do_not_move_a_key(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1"), event("t2")])
    log.commit([event("f1", stream="flows", decision=None)])
    log.commit([event("t3")], {("customer", "C1"): 2})


def test_of_writers_that_read_the_same_head_one_commits(database_url: str, event: MakeEvent) -> None:
    logs = [SqlDecisionLog(database_url) for _ in range(4)]
    outcomes: list[str] = []
    together = threading.Barrier(8)

    def race(number: int) -> None:
        together.wait()
        try:
            logs[number % 4].commit([event(f"t{number}")], {("customer", "C1"): 0})
            outcomes.append("committed")
        except HeadMovedError:
            outcomes.append("moved")

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["committed"] + ["moved"] * 7
    assert logs[0].head("cards") == 1
    for one in logs:
        one.close()


def test_a_reader_that_follows_many_writers_misses_nothing(database_url: str, event: MakeEvent) -> None:
    logs = [SqlDecisionLog(database_url) for _ in range(3)]
    running = [True]
    seen: list[int] = []

    def follow() -> None:
        with_log = SqlDecisionLog(database_url)
        while True:
            last = not running[0]
            page = with_log.read("cards", seen[-1] if seen else 0, 7)
            seen.extend(one.sequence for one in page)
            if last and not page:
                break
        with_log.close()

    def write(writer: int) -> None:
        for number in range(25):
            logs[writer].commit([event(f"t{writer}-{number}-{part}") for part in range(1 + number % 3)])

    reader = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    running[0] = False
    reader.join()
    assert seen == list(range(1, 3 * 49 + 1))
    for one in logs:
        one.close()


def test_cursors_move_forward_only_and_tell_when_they_were_touched(log: SqlDecisionLog, clock: Any) -> None:
    assert log.cursor("writer") == 0
    assert log.cursor_state("writer").touched_at is None
    assert log.set_cursor("writer", 5) == 5
    first = log.cursor_state("writer")
    clock.advance(3)
    assert log.set_cursor("writer", 2) == 5
    later = log.cursor_state("writer")
    assert (later.sequence, (later.touched_at - first.touched_at).total_seconds()) == (5, 3)
    assert log.cursor("another") == 0
    with pytest.raises(ValueError, match="-1"):
        log.set_cursor("writer", -1)


def test_decisions_come_with_the_newest_label_that_speaks_of_them(
    log: SqlDecisionLog, event: MakeEvent, label: MakeEvent
) -> None:
    log.commit([event("t1"), event("t2"), label("t1", False), event("t3", decision=None)])
    log.commit([label("t1", True), event("t4")])
    page = log.decisions("cards", 0, 2)
    assert [one.event.event_id for one in page] == ["t1", "t2"]
    assert (page[0].label.body, page[1].label) == ({"fraud": True}, None)
    assert page[0].event.decision["id"] == "decision-t1"
    (rest,) = log.decisions("cards", page[-1].event.sequence, 2)
    assert rest.event.event_id == "t4"
    assert [one.event_id for one in log.latest_decisions("cards", 2)] == ["t2", "t4"]
    labels = log.labels("cards", 0, 10)
    assert [(one.subject_id, one.body["fraud"]) for one in labels] == [("t1", False), ("t1", True)]
    assert log.labels("cards", labels[0].sequence, 10) == labels[1:]


def test_an_unknown_event_has_neighbours(log: SqlDecisionLog, event: MakeEvent, label: MakeEvent) -> None:
    log.commit([event("tx-100"), event("tx-200"), event("tx-300"), label("tx-200", True)])
    assert log.neighbours("cards", "tx-20") == ["tx-100", "tx-200"]
    assert log.neighbours("cards", "a") == ["tx-100"]
    assert log.neighbours("flows", "tx-20") == []


def test_rule_sets_are_kept_under_their_digest(log: SqlDecisionLog) -> None:
    log.rule_sets.put("d1", "rules: []")
    log.rule_sets.put("d1", "rules: []")
    assert log.rule_sets.get("d1") == "rules: []"
    assert log.rule_sets.get("d2") is None
    with pytest.raises(RuleSetConflictError, match="d1"):
        log.rule_sets.put("d1", "rules: [other]")


TABLES = ("events", "event_keys", "answers", "alerts", "alert_events", "rule_sets")


@pytest.mark.parametrize("statement", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_the_database_refuses_to_edit_or_delete(
    database_url: str, log: SqlDecisionLog, event: MakeEvent, statement: str
) -> None:
    log.commit([event("t1", alert="a1")])
    log.rule_sets.put("d1", "rules: []")
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    for table in TABLES:
        column = {"rule_sets": "text", "alert_events": "who"}.get(table, "sequence")
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement.format(table=f"decision_{table}", column=column)))
    engine.dispose()
    assert log.find_event("cards", "t1").alert_id == "a1"


def test_postgresql_refuses_to_truncate(postgres_database: str, event: MakeEvent) -> None:
    log = SqlDecisionLog(postgres_database)
    log.commit([event("t1")])
    engine = create_engine(postgres_database.replace("postgresql://", "postgresql+psycopg://"))
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text("TRUNCATE decision_events CASCADE"))
    engine.dispose()
    assert log.head("cards") == 1
    log.close()


def test_reopening_finds_everything_again(database_url: str, log: SqlDecisionLog, event: MakeEvent) -> None:
    (logged,) = log.commit([event("t1", idempotency_key="k1", alert="a1", targets=["hook"])])
    again = SqlDecisionLog(database_url, log._database.now)
    assert again.find_event("cards", "t1") == logged
    assert again.find_key("ann", "k1") == logged
    assert again.deliveries.counts()["pending"] == 1
    again.close()


def test_reading_waits_for_no_writer(database_url: str, log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1")])
    other = SqlDecisionLog(database_url)
    with log._database.writing() as connection:
        connection.execute(text("INSERT INTO decision_rule_sets VALUES ('d', 't')"))
        assert other.head("cards") == 1
        assert other.rule_sets.get("d") is None
    assert other.rule_sets.get("d") == "t"
    other.close()


def test_the_default_is_a_file_of_its_own_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.settings import runtime_settings

    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("AIO_DATABASE_URL", raising=False)
    runtime_settings.cache_clear()
    open_decision_log().close()
    runtime_settings.cache_clear()
    assert (tmp_path / "decisions.db").is_file()
