"""Many questions in one read and many commits in one transaction, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from runtime.decision_log import (
    DuplicateEventError,
    HeadMovedError,
    KeyReusedError,
    LoggedEvent,
    NewCommit,
    NewEvent,
    Question,
    Seen,
)
from runtime.decision_log.sql_log import SqlDecisionLog

MakeEvent = Callable[..., NewEvent]
C1, C2, T1 = ("customer", "C1"), ("customer", "C2"), ("terminal", "T1")


def _told(outcomes: Any) -> list[object]:
    """Sequences of what was committed, types of what was refused."""
    return [type(one) if isinstance(one, Exception) else [event.sequence for event in one] for one in outcomes]


def _recent(seen: Seen | Exception) -> list[str]:
    assert isinstance(seen, Seen)
    return [one.event_id for one in seen.recent]


def test_many_commits_share_a_transaction_and_each_sees_those_before_it(
    log: SqlDecisionLog, event: MakeEvent, commits: list[int]
) -> None:
    outcomes = log.commit_many(
        [
            NewCommit([event("t1", C1, idempotency_key="k", request_digest="d")], {C1: 0}),
            NewCommit([event("t2", C1)], {C1: 0}),
            NewCommit([event("t1", C1)]),
            NewCommit([event("t3", C2, idempotency_key="k", request_digest="e")]),
            NewCommit([event("t4", C2, idempotency_key="k", request_digest="d")], {C2: 0}),
            NewCommit([event("t5", C2), event("t6", C1)], {C1: 1, C2: 0}),
            NewCommit([event("f1", stream="flows")]),
        ]
    )
    assert _told(outcomes) == [[1], HeadMovedError, DuplicateEventError, KeyReusedError, [1], [2, 3], [4]]
    assert len(commits) == 1
    assert [one.event_id for one in log.read("cards", 0, 10)] == ["t1", "t5", "t6"]


def test_what_no_commit_can_be_or_the_database_refuses_leaves_the_others_whole(
    log: SqlDecisionLog, event: MakeEvent
) -> None:
    outcomes = log.commit_many(
        [
            NewCommit([event("t1", alert="a")]),
            NewCommit([event("t2"), event("t3", stream="flows")]),
            NewCommit([event("t4", alert="a")]),
            NewCommit([event("t5")], {("customer:vip", "C1"): 0}),
            NewCommit([]),
            NewCommit([event("t6", body={"x": float("nan")})]),
            NewCommit([event("t7")]),
        ]
    )
    assert _told(outcomes) == [[1], ValueError, IntegrityError, ValueError, [], ValueError, [2]]
    assert log.commit_many([]) == []
    assert [one.event_id for one in log.read("cards", 0, 10)] == ["t1", "t7"]


def test_a_database_that_is_away_is_the_outcome_of_all_that_were_asked_together(
    log: SqlDecisionLog, event: MakeEvent
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("COMMIT", {}, OSError("away"))

    engine = log._database.engine
    sqlalchemy_event.listen(engine, "commit", away)
    outcomes = log.commit_many([NewCommit([event("t1")]), NewCommit([event("t2")])])
    sqlalchemy_event.remove(engine, "commit", away)
    assert _told(outcomes) == [OperationalError, OperationalError]
    assert log.head("cards") == 0
    sqlalchemy_event.listen(engine, "checkout", away)
    with pytest.raises(OperationalError):
        log.look([Question("cards", [C1]), Question("cards", [C2])], 0, 10)


def test_what_the_driver_says_comes_as_an_error_of_sqlalchemy(log: SqlDecisionLog, event: MakeEvent) -> None:
    with log._database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE decision_event_keys RENAME TO decision_gone"))
    with pytest.raises(SQLAlchemyError, match="decision_event_keys"):
        log.recent("cards", [C1], 0, 10)
    (refused,) = log.commit_many([NewCommit([event("t1", C1)], {C1: 0})])
    assert isinstance(refused, SQLAlchemyError) and "decision_event_keys" in str(refused)


def test_a_look_finds_the_event_of_the_key_or_else_of_the_id(log: SqlDecisionLog, event: MakeEvent, clock: Any) -> None:
    first, second = log.commit([event("t1", idempotency_key="k1"), event("t2", alert="a2")])
    (empty,) = log.commit([event("")])
    questions = [
        Question("cards", [C1], "ann", "k1", "t2"),
        Question("cards", [C1], "ann", "k2", "t2"),
        Question("cards", [], "bob", "k1", None),
        Question("flows", [], "ann", None, "t1"),
        Question("cards", [], "ann", None, ""),
    ]
    assert log.look(questions, 0, 10) == [Seen(first), Seen(second), Seen(None), Seen(None), Seen(empty)]
    clock.advance(24 * 3600)
    assert log.look(questions[:1], 0, 10) == [Seen(second)]
    assert log.look([], 0, 10) == []


def test_a_look_gives_each_the_events_of_its_own_keys(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1", C1, T1), event("t2", C2, T1), event("t3", C2), event("t4", C1, T1)])
    log.commit([event("f1", C1, stream="flows")])
    questions = [
        Question("cards", [C1, T1]),
        Question("cards", [C2]),
        Question("flows", [C1]),
        Question("cards", [("customer", "C9")]),
        Question("cards", []),
    ]
    seen = log.look(questions, 0, 10)
    assert [_recent(one) for one in seen] == [["t1", "t2", "t4"], ["t2", "t3"], ["f1"], [], []]
    assert [_recent(one) for one in log.look(questions, 2, 10)] == [["t4"], ["t3"], ["f1"], [], []]
    assert isinstance(seen[0], Seen) and seen[0].recent == log.recent("cards", [C1, T1], 0, 10)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_neighbours_with_many_events_cut_nobody_short(log: SqlDecisionLog, event: MakeEvent, limit: int) -> None:
    keys = [("customer", f"C{number}") for number in range(5)]
    log.commit([event(f"t{number}", keys[number % 5 % (1 + number % 3)], T1) for number in range(20)])
    questions = [Question("cards", [key]) for key in keys] + [Question("cards", [keys[0], T1])]
    alone = [log.recent("cards", question.keys, 0, limit) for question in questions]
    together = log.look(questions, 0, limit)
    assert [one.recent for one in together if isinstance(one, Seen)] == alone


def test_a_question_that_cannot_be_asked_fails_alone(log: SqlDecisionLog, event: MakeEvent) -> None:
    logged: LoggedEvent = log.commit([event("t1", C1)])[0]
    wrong = Question("cards", [("customer:vip", "C1")])
    first, refused, last = log.look([Question("cards", [C1]), wrong, Question("cards", [], event_id="t1")], 0, 10)
    assert _recent(first) == ["t1"] and last == Seen(logged)
    assert isinstance(refused, ValueError) and "customer:vip" in str(refused)
