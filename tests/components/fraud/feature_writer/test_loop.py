"""The feature writer as it runs: killed anywhere, beside others, and while what it needs is down."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.fraud.cards.state import StateError
from components.fraud.feature_writer import loop
from components.fraud.feature_writer.__main__ import main
from components.fraud.feature_writer.folding import CARD_STREAM
from components.fraud.feature_writer.loop import fold_batch, write_features
from components.fraud.feature_writer.settings import FeatureWriterSettings
from feature_repo import fraud, names
from feature_repo.fraud_online import FeastCardStates
from feature_repo.writer_lock import writing
from runtime.decision_log.sql_log import SqlDecisionLog

Stored = Callable[[FeastCardStates], dict[tuple[str, str], bytes]]
Folded = Callable[[list[Any]], dict[tuple[str, str], bytes]]
QUICK = FeatureWriterSettings(batch_events=20, idle_seconds=0.02, heartbeat_seconds=0.2, lock_seconds=0.3)


Said = tuple[str, dict[str, Any]]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Said]:
    """What the loop logs: events and their fields."""
    said: list[Said] = []

    class Listener:
        def warning(self, event: str, **fields: Any) -> None:
            said.append((event, fields))

        info = warning

    monkeypatch.setattr(loop, "_log", Listener())
    return said


@contextmanager
def _running(log: SqlDecisionLog) -> Iterator[threading.Event]:
    """The loop in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=write_features, args=(log, stop, QUICK))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def _caught_up(log: SqlDecisionLog) -> bool:
    return log.head(CARD_STREAM) == log.cursor(names.CARD_CURSOR)


def test_states_follow_the_log_in_batches(
    world: Any, log: SqlDecisionLog, states: FeastCardStates, folded: Folded, stored: Stored
) -> None:
    log.commit([one.new for one in world.happenings()[:70]])
    with writing(states.store, "a test"):
        assert [fold_batch(log, states, 30) for _ in range(4)] == [30, 30, 10, 0]
    assert stored(states) == folded(list(log.read(CARD_STREAM, 0, 1000)))
    assert log.cursor(names.CARD_CURSOR) == log.cursor(names.card_digest_cursor()) == 70


def test_a_commit_is_mirrored_within_two_seconds(
    world: Any, log: SqlDecisionLog, states: FeastCardStates, wait_until: Callable[..., None]
) -> None:
    latencies = []
    with _running(log):
        for one in world.happenings()[:5]:
            log.commit([one.new])
            began = time.monotonic()
            wait_until(lambda: _caught_up(log), 20, "the mirror")
            latencies.append(time.monotonic() - began)
    assert sorted(latencies)[2] < 2


def _die_in(place: str, die: Callable[..., None], monkeypatch: pytest.MonkeyPatch, states: FeastCardStates) -> None:
    """Arrange that this process dies just before a step of a batch."""
    write, move = states._write, SqlDecisionLog.set_cursor
    calls = {"write": 0, "move": 0}

    def dying_write(*arguments: Any) -> None:
        calls["write"] += 1
        if (place, calls["write"]) in (("first view", 1), ("second view", 2)):
            die()
        write(*arguments)

    def dying_move(*arguments: Any) -> int:
        calls["move"] += 1
        if (place, calls["move"]) in (("first cursor", 1), ("second cursor", 2)):
            die()
        return move(*arguments)

    monkeypatch.setattr(states, "_write", dying_write)
    monkeypatch.setattr(SqlDecisionLog, "set_cursor", dying_move)


@pytest.mark.parametrize("place", ["first view", "second view", "first cursor", "second cursor"])
def test_a_kill_anywhere_repeats_nothing_and_loses_nothing(
    world: Any,
    log: SqlDecisionLog,
    states: FeastCardStates,
    folded: Folded,
    stored: Stored,
    killed_in_fork: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    log.commit([one.new for one in world.happenings()[:60]])
    url = str(log._database.engine.url)
    with writing(states.store, "a test"):
        fold_batch(log, states, 25)
    log.close()

    def work(die: Callable[..., None]) -> None:
        own_log, own_states = SqlDecisionLog(url), FeastCardStates()
        _die_in(place, die, monkeypatch, own_states)
        with writing(own_states.store, "to be killed"):
            fold_batch(own_log, own_states, 25)

    killed_in_fork(work)
    assert log.cursor(names.CARD_CURSOR) == 25
    log.commit([one.new for one in world.happenings()[60:80]])
    with writing(states.store, "a test"):
        while fold_batch(log, states, 13):
            pass
    assert stored(states) == folded(list(log.read(CARD_STREAM, 0, 1000)))
    assert _caught_up(log)


def test_two_writers_share_the_work_without_repeating_it(
    world: Any,
    log: SqlDecisionLog,
    states: FeastCardStates,
    folded: Folded,
    stored: Stored,
    wait_until: Callable[..., None],
) -> None:
    other = SqlDecisionLog(str(log._database.engine.url))
    with _running(log), _running(other):
        for one in world.happenings()[:40]:
            log.commit([one.new])
        wait_until(lambda: _caught_up(log), 30, "the mirror")
    other.close()
    assert stored(states) == folded(list(log.read(CARD_STREAM, 0, 1000)))


def test_the_loop_waits_for_a_store_that_another_holds(
    world: Any, log: SqlDecisionLog, states: FeastCardStates, heard: list[Said], wait_until: Callable[..., None]
) -> None:
    log.commit([world.happenings()[0].new])
    with _running(log):
        with writing(states.store, "something long"):
            wait_until(lambda: len(heard) >= 2, 20, "two warnings")
            assert log.cursor(names.CARD_CURSOR) == 0
        wait_until(lambda: _caught_up(log), 20, "the mirror")
    assert "something long" in str(heard[0][1]["reason"])


def test_the_loop_survives_a_store_that_is_down(
    world: Any,
    log: SqlDecisionLog,
    states: FeastCardStates,
    state_dir: Path,
    folded: Folded,
    stored: Stored,
    wait_until: Callable[..., None],
    heard: list[Said],
) -> None:
    online = state_dir / "feast" / "online.db"
    online.rename(online.with_suffix(".away"))
    online.mkdir()
    with _running(log):
        log.commit([one.new for one in world.happenings()[:10]])
        wait_until(lambda: len(heard) >= 2, 20, "two warnings")
        assert log.cursor(names.CARD_CURSOR) == 0
        online.rmdir()
        online.with_suffix(".away").rename(online)
        wait_until(lambda: _caught_up(log), 20, "the mirror")
    assert {event for event, _ in heard} == {"features are not written", "features are written again"}
    assert "took no states" in str(heard[0][1]) or "did not answer" in str(heard[0][1])
    pauses = [fields["next_try_in_seconds"] for event, fields in heard if event == "features are not written"]
    assert pauses == sorted(pauses)
    assert stored(FeastCardStates()) == folded(list(log.read(CARD_STREAM, 0, 1000)))


def test_an_event_that_is_none_stops_nothing_behind_it(
    world: Any, log: SqlDecisionLog, states: FeastCardStates
) -> None:
    good, bad, last = (one.new for one in world.happenings()[:3])
    log.commit([good, type(bad)(**{**bad.__dict__, "body": {"amount_minor": -1}}), last])
    with writing(states.store, "a test"):
        assert fold_batch(log, states, 10) == 3
    assert log.cursor(names.CARD_CURSOR) == 3


def test_bytes_of_another_layout_end_the_loop_with_what_to_do(
    world: Any, log: SqlDecisionLog, states: FeastCardStates
) -> None:
    (one, *_) = world.happenings()
    log.commit([one.new])
    states.write({one.event.customer_id: (b"\xfflayout", 1)}, {})
    with pytest.raises(StateError, match="materialise the states again"):
        write_features(log, threading.Event(), QUICK)
    assert log.cursor(names.CARD_CURSOR) == 0


def test_the_loop_registers_the_views_that_it_writes(
    world: Any, log: SqlDecisionLog, wait_until: Callable[..., None]
) -> None:
    log.commit([world.happenings()[0].new])
    with _running(log):
        wait_until(lambda: _caught_up(log), 60, "the mirror")


def test_new_definitions_catch_up_before_the_gateways_cursor_moves(
    world: Any, log: SqlDecisionLog, states: FeastCardStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.commit([one.new for one in world.happenings()[:30]])
    with writing(states.store, "a test"):
        fold_batch(log, states, 20)
        monkeypatch.setattr(fraud, "DEFINITION_VERSION", fraud.DEFINITION_VERSION + 1)
    newer = loop.open_states(None, 30)
    with writing(newer.store, "a test"):
        fold_batch(log, newer, 12)
        assert (log.cursor(names.card_digest_cursor()), log.cursor(names.CARD_CURSOR)) == (12, 20)
        fold_batch(log, newer, 12)
        assert (log.cursor(names.card_digest_cursor()), log.cursor(names.CARD_CURSOR)) == (24, 24)


def test_an_idle_writer_gives_signs_of_life(
    log: SqlDecisionLog, states: FeastCardStates, wait_until: Callable[..., None]
) -> None:
    with _running(log):
        wait_until(lambda: log.cursor_state(names.CARD_CURSOR).touched_at is not None, 20, "a sign of life")
        first = log.cursor_state(names.CARD_CURSOR).touched_at
        wait_until(lambda: log.cursor_state(names.CARD_CURSOR).touched_at != first, 20, "another")
    assert log.cursor(names.CARD_CURSOR) == 0


def test_sigterm_ends_the_process_after_the_batch_in_hand_and_probes_answer_until_then(
    world: Any,
    log: SqlDecisionLog,
    states: FeastCardStates,
    wait_until: Callable[..., None],
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    monkeypatch.setenv("FEATURE_WRITER_PROBE_PORT", str(port))
    log.commit([one.new for one in world.happenings()[:10]])
    log.close()
    process = multiprocessing.get_context("fork").Process(target=main)
    process.start()
    try:
        wait_until(lambda: _caught_up(log), 60, "the mirror")
        wait_until(lambda: "fraud_features_lag 0.0" in _probed(port, "metrics"), 20, "the metrics")
        assert "fraud_features_events_total 10.0" in _probed(port, "metrics")
        assert _probed(port, "ready") == '{"ready": true}'
        assert process.pid is not None
        os.kill(process.pid, signal.SIGTERM)
        process.join(20)
        assert process.exitcode == 0
    finally:
        process.kill()


def _probed(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return str(answer.read(), "utf-8")


@pytest.mark.slow
def test_the_process_runs_by_its_name(
    world: Any, log: SqlDecisionLog, states: FeastCardStates, wait_until: Callable[..., None]
) -> None:
    log.commit([one.new for one in world.happenings()[:10]])
    with subprocess.Popen([sys.executable, "-m", "components.fraud.feature_writer"]) as process:
        wait_until(lambda: _caught_up(log), 120, "the mirror")
        process.terminate()
        assert process.wait(30) == 0
