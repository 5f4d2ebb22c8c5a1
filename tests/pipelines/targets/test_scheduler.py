import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.scheduling import CronError
from pipelines.targets import TargetError
from pipelines.targets.local import RunRecord
from pipelines.targets.local.record import write_record
from pipelines.targets.local.scheduler import Scheduler
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import Pipeline
from runtime.process_lock import process_lock

Wait = Callable[..., None]
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def scheduler(toy: Pipeline, folder: Path, cron: str = "1 * * * *", **settings: float) -> Scheduler:
    chosen = PipelineSettings(**{"jitter_seconds": 0.0, **settings})
    return Scheduler(toy, {"text": "go", "names": ["BTC", "ETH"]}, cron, folder, chosen, clock=lambda: NOW)


def last_run(started_at: datetime) -> RunRecord:
    return RunRecord(id="r", pipeline="toy", state="succeeded", pid=1, parameters={}, folder="", started_at=started_at)


def test_the_next_run_starts_after_the_next_tick_with_jitter(toy: Pipeline, tmp_path: Path) -> None:
    planned = scheduler(toy, tmp_path, jitter_seconds=20.0)

    starts = {planned.next_start(last_run(NOW - timedelta(minutes=10))) for _ in range(20)}

    tick = datetime(2026, 11, 22, 11, 1, tzinfo=UTC)
    assert all(tick <= start <= tick + timedelta(seconds=20) for start in starts)
    assert len(starts) > 1


def test_a_tick_that_was_missed_is_made_up_for_at_once(toy: Pipeline, tmp_path: Path) -> None:
    planned = scheduler(toy, tmp_path)

    assert planned.next_start(last_run(NOW - timedelta(hours=3))) == NOW


def test_a_pipeline_that_never_ran_has_missed_nothing(toy: Pipeline, tmp_path: Path) -> None:
    assert scheduler(toy, tmp_path).next_start(None) == datetime(2026, 11, 22, 11, 1, tzinfo=UTC)


def test_a_text_that_is_no_schedule_is_refused_before_anything_runs(toy: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(CronError):
        scheduler(toy, tmp_path, cron="hourly")


def fake_python(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Stands in for the interpreter that the scheduler starts a run with; a tick is due."""
    write_record(folder / "last_run.json", last_run(datetime.now(UTC) - timedelta(hours=3)))
    program = folder / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{script}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.is_file() else []


def test_failed_runs_are_tried_again_after_a_growing_wait(
    toy: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    fake_python(tmp_path, monkeypatch, "exit 1")
    planned = Scheduler(
        toy, {"names": ["BTC"]}, "1 * * * *", tmp_path, PipelineSettings(backoff_seconds=0.2, backoff_max_seconds=60)
    )
    waits = []
    original = planned.next_start
    monkeypatch.setattr(planned, "next_start", lambda last: waits.append(planned._failures) or original(last))

    thread = threading.Thread(target=planned.run_forever)
    thread.start()
    wait_until(lambda: len(calls(tmp_path)) >= 3, 30, "three tries")
    planned.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert waits[:3] == [0, 1, 2]
    assert calls(tmp_path)[0] == '-m pipelines run toy --target local --param names=["BTC"]'


def test_the_wait_doubles_up_to_a_limit(toy: Pipeline, tmp_path: Path) -> None:
    planned = scheduler(toy, tmp_path, backoff_seconds=30, backoff_max_seconds=100)

    waits = []
    for failures in (1, 2, 3):
        planned._failures = failures
        waits.append((planned.next_start(None) - NOW).total_seconds())

    assert waits == [30, 60, 100]


def test_a_stop_takes_the_run_in_hand_with_it(
    toy: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    fake_python(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    planned = Scheduler(toy, {}, "1 * * * *", tmp_path, PipelineSettings())

    thread = threading.Thread(target=planned.run_forever)
    thread.start()
    wait_until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip() != "", 30, "the run")
    planned.stop()
    thread.join(15)

    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIG_DFL)


def test_a_second_scheduler_is_told_who_schedules(toy: Pipeline, tmp_path: Path) -> None:
    with (
        process_lock(tmp_path / "schedule.lock", "schedule of toy"),
        pytest.raises(TargetError, match=f"toy is scheduled already: process {os.getpid()} "),
    ):
        scheduler(toy, tmp_path).run_forever()
