"""What travels with a case: read for many cases at once, from a cursor that may be a moment old."""

from pathlib import Path

import pytest

from brain.fraud.mirror import CURSOR, Context, Mirror
from runtime.decision_log import DecisionLog, NewEvent, Question
from runtime.decision_log.sql_log import SqlDecisionLog
from runtime.problems import Problem

C1, C2 = ("customer", "C1"), ("customer", "C2")


class Counted(SqlDecisionLog):
    """A log that counts how often its cursor is read."""

    reads = 0

    def cursor(self, name: str) -> int:
        self.reads += 1
        return super().cursor(name)


@pytest.fixture
def log(tmp_path: Path) -> Counted:
    opened = Counted(f"sqlite:///{tmp_path / 'd.db'}")
    for number, key in enumerate([C1, C1, C1, C2]):
        opened.commit([NewEvent("cards", "transaction", f"t{number}", [key], 1, {}, "ann", None, "")])
    return opened


def sequences(mirror: Mirror, log: DecisionLog) -> list[int]:
    (context,) = mirror.look(log, [Question("cards", [C1])])
    assert isinstance(context, Context)
    return [one.sequence for one in context.recent]


def test_the_cursor_is_read_again_after_a_quarter_of_the_grace_and_counts_once_the_grace_is_over(log: Counted) -> None:
    now = [100.0]
    mirror = Mirror(10, 8.0, clock=lambda: now[0])
    log.set_cursor(CURSOR, 2)
    assert sequences(mirror, log) == [1, 2, 3] and log.reads == 1
    log.set_cursor(CURSOR, 3)
    now[0] += 1.9
    assert sequences(mirror, log) == [1, 2, 3] and log.reads == 1
    now[0] += 0.1
    assert sequences(mirror, log) == [1, 2, 3] and log.reads == 2
    now[0] = 108.0
    assert sequences(mirror, log) == [3]
    now[0] = 110.0
    assert sequences(mirror, log) == []


def test_the_case_with_more_events_than_can_travel_is_refused_and_its_neighbour_is_not(log: Counted) -> None:
    refused, found = Mirror(2, 0.0).look(log, [Question("cards", [C1]), Question("cards", [C2])])
    assert isinstance(refused, Problem) and refused.status == 503 and "at most 2" in refused.detail
    assert isinstance(found, Context) and (found.head, len(found.recent)) == (4, 1)


def test_where_nothing_is_recent_the_case_knows_its_keys_up_to_the_cursor(log: Counted) -> None:
    log.set_cursor(CURSOR, 4)
    assert Mirror(2, 0.0).look(log, [Question("cards", [C1])]) == [Context(None, [], 4)]
