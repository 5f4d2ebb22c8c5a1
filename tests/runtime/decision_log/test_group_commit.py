"""Threads that commit at the same time share transactions, and none gets another's outcome."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import DataError, IntegrityError

from runtime.decision_log import (
    CommitRefusedError,
    DuplicateEventError,
    EntityKey,
    HeadMovedError,
    KeyReusedError,
    NewEvent,
)
from runtime.decision_log.sql_log import SqlDecisionLog

MakeEvent = Callable[..., NewEvent]


Heads = Mapping[EntityKey, int] | None


def _together(log: SqlDecisionLog, commits: list[list[NewEvent]], heads: Sequence[Heads] | None = None) -> list[object]:
    """Let commits line up behind a transaction that is under way, then run; each one's answer or error."""

    def one(events: list[NewEvent], head: Heads) -> object:
        try:
            return [logged.sequence for logged in log.commit(events, head)]
        except (CommitRefusedError, IntegrityError, ValueError) as error:
            return type(error)
        except (OverflowError, DataError):
            return "too large"

    expected = heads or [None] * len(commits)
    with ThreadPoolExecutor(len(commits) + 1) as pool:
        with log._database.writing():
            first = pool.submit(one, commits[0], expected[0])
            while not log._commits._led or log._commits._queue:
                threading.Event().wait(0.001)
            futures = [first]
            for waiting, events in enumerate(commits[1:], start=1):
                futures.append(pool.submit(one, events, expected[waiting]))
                while len(log._commits._queue) < waiting:
                    threading.Event().wait(0.001)
        return [future.result(timeout=30) for future in futures]


def test_those_that_wait_are_committed_together_in_their_order(
    log: SqlDecisionLog, event: MakeEvent, commits: list[int]
) -> None:
    answers = _together(log, [[event(f"t{number}")] for number in range(9)])
    assert answers == [[number + 1] for number in range(9)]
    assert len(commits) == 3  # the one that was under way, the first, and the other eight


def test_a_refusal_is_its_own(log: SqlDecisionLog, event: MakeEvent, commits: list[int]) -> None:
    answers = _together(log, [[event("t1")], [event("t2")], [event("t2", decision=None)], [event("t3")]])
    assert answers == [[1], [2], DuplicateEventError, [3]]
    assert len(commits) == 3


def test_each_sees_those_before_it_in_the_same_transaction(log: SqlDecisionLog, event: MakeEvent) -> None:
    head = {("customer", "C1"): 1}
    commits = [
        [event("t1")],
        [event("t2", idempotency_key="k", request_digest="d")],
        [event("t3", idempotency_key="k", request_digest="d")],
        [event("t4", idempotency_key="k", request_digest="e")],
        [event("t5")],
    ]
    answers = _together(log, commits, [None, head, None, None, head])
    assert answers == [[1], [2], [2], KeyReusedError, HeadMovedError]
    assert log.head("cards") == 2


def test_what_goes_wrong_for_one_leaves_the_others_whole(log: SqlDecisionLog, event: MakeEvent) -> None:
    answers = _together(
        log,
        [
            [event("t1")],
            [event("t2", alert="a")],
            [event("t3", alert="a")],
            [event("t4", body={"x": float("inf")})],
            [event("t5", idempotency_key="k")],
            [event("t6", occurred_at_us=2**70)],
            [event("t7")],
        ],
    )
    assert answers == [[1], [2], IntegrityError, ValueError, [3], "too large", [4]]
    assert [one.event_id for one in log.read("cards", 0, 10)] == ["t1", "t2", "t5", "t7"]


def test_a_database_that_fails_fails_all_who_wait_and_serves_those_who_come_later(
    log: SqlDecisionLog, event: MakeEvent
) -> None:
    failing = [True]

    def fail(_connection: object) -> None:
        if failing[0]:
            raise OSError("no space left on device")

    sqlalchemy_event.listen(log._database.engine, "commit", fail)
    with pytest.raises(OSError, match="no space"):
        log.commit([event("t1")])
    failing[0] = False
    assert log.commit([event("t1")])[0].sequence == 1


def test_hundreds_of_threads_lose_and_repeat_nothing(tmp_path: Path, event: MakeEvent) -> None:
    log = SqlDecisionLog(f"sqlite:///{tmp_path / 'decisions.db'}")
    with ThreadPoolExecutor(40) as pool:
        logged = list(pool.map(lambda number: log.commit([event(f"t{number}")])[0], range(400)))
    assert sorted(one.sequence for one in logged) == list(range(1, 401))
    found = {one.event_id: one.sequence for one in log.read("cards", 0, 1000)}
    assert found == {one.event_id: one.sequence for one in logged}
    log.close()
