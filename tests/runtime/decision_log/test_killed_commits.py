"""A process that is killed while it commits leaves all of the commit or nothing of it."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import event as sqlalchemy_event

from runtime.decision_log import NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog

Die = Callable[..., None]


def _batch(event: Callable[..., NewEvent]) -> list[NewEvent]:
    return [
        event("t2", idempotency_key="k2", alert="a2", targets=["ops", "bank"]),
        event("t3", idempotency_key="k3"),
    ]


def _state(log: SqlDecisionLog) -> list[object]:
    """Everything that the commit would touch."""
    return [
        log.read("cards", 0, 10),
        log.recent("cards", [("customer", "C1")], 0, 10),
        [one.event.event_id for one in log.decisions("cards", 0, 10)],
        log.find_key("ann", "k2"),
        log.alerts.events(0),
        log.deliveries.counts(),
    ]


def _statements(database_url: str, event: Callable[..., NewEvent]) -> int:
    """How many statements such a commit has."""
    seen: list[object] = []
    log = SqlDecisionLog(database_url)
    sqlalchemy_event.listen(log._database.engine, "before_cursor_execute", lambda *given: seen.append(given))
    log.commit(_batch(event))
    log.close()
    return len(seen)


def test_a_killed_commit_leaves_nothing(
    database_url: str,
    tmp_path: Path,
    event: Callable[..., NewEvent],
    killed_in_fork: Callable[[Callable[[Die], object]], None],
) -> None:
    # The places after the last statement are killed before the commit itself.
    for place in range(_statements(f"sqlite:///{tmp_path / 'scratch.db'}", event) + 2):
        log = SqlDecisionLog(database_url)
        if place == 0:
            log.commit([event("t1")])
        before = _state(log)
        log.close()

        def work(die: Die, place: int = place) -> None:
            inner = SqlDecisionLog(database_url)
            left = [place]

            def step(*_: object) -> None:
                if left[0] == 0:
                    die()
                left[0] -= 1

            sqlalchemy_event.listen(inner._database.engine, "before_cursor_execute", step)
            sqlalchemy_event.listen(inner._database.engine, "commit", die)
            inner.commit(_batch(event))

        killed_in_fork(work)
        log = SqlDecisionLog(database_url)
        assert _state(log) == before, f"killed at statement {place}"
        log.close()


def test_what_was_answered_survives_a_kill(
    database_url: str, event: Callable[..., NewEvent], killed_in_fork: Callable[[Callable[[Die], object]], None]
) -> None:
    def work(die: Die) -> None:
        SqlDecisionLog(database_url).commit(_batch(event))
        die()

    killed_in_fork(work)
    log = SqlDecisionLog(database_url)
    assert [one.event_id for one in log.read("cards", 0, 10)] == ["t2", "t3"]
    assert log.find_key("ann", "k2") == log.find_event("cards", "t2")
    assert log.deliveries.counts()["pending"] == 2
    (first, again) = log.commit(_batch(event))
    assert (first.sequence, again.sequence) == (1, 2)
    log.close()
