"""Runs a pipeline again and again on this machine: after each tick, one at a time, and goes on after failures.

Made for a process supervisor: it ends at once on SIGTERM, takes the run in hand with it, and when it is started again
it catches up on a tick that was missed.
"""

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from components.parent_watch import PARENT_VARIABLE
from pipelines.scheduling import Cron
from pipelines.targets.local.record import RunRecord, read_last_run, write_text
from pipelines.targets.port import RunHandle, TargetError
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import Pipeline
from pipelines.wiring.parameters import ParameterValue
from runtime.logs import get_logger
from runtime.process_lock import LockHeldError, process_lock

_STOP_SECONDS = 10.0
_LOGGER = get_logger(__name__)


class Scheduler:
    """One pipeline on one schedule."""

    def __init__(
        self,
        pipeline: Pipeline,
        arguments: Mapping[str, ParameterValue],
        cron: str,
        folder: Path,
        settings: PipelineSettings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pipeline = pipeline
        self._arguments = dict(arguments)
        self._cron = Cron(cron)
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._failures = 0

    def run_forever(self) -> RunHandle:
        """Run until SIGTERM or SIGINT.

        Raises:
            TargetError: Another process schedules the same pipeline; the message says which.
        """
        try:
            with process_lock(self._folder / "schedule.lock", f"schedule of {self._pipeline.name}"), self._signals():
                self._loop()
        except LockHeldError as error:
            raise TargetError(f"{self._pipeline.name} is scheduled already: {error}") from error
        return RunHandle(id=self._pipeline.name, state="stopped", link=str(self._folder))

    def stop(self) -> None:
        """End as soon as possible; safe to call from any thread."""
        self._stop.set()

    def next_start(self, last: RunRecord | None) -> datetime:
        """When the next run starts: now for a tick that was missed, later after a failure, else after the next tick."""
        now = self._clock()
        if self._failures:
            wait = self._settings.backoff_seconds * 2 ** (self._failures - 1)
            return now + timedelta(seconds=min(wait, self._settings.backoff_max_seconds))
        if last is not None and self._cron.next_after(last.started_at) <= now:
            return now
        jitter = random.uniform(0, self._settings.jitter_seconds)  # noqa: S311 - spreads load, guards nothing
        return self._cron.next_after(now) + timedelta(seconds=jitter)

    def _loop(self) -> None:
        while not self._stop.is_set():
            start = self.next_start(read_last_run(self._folder / "last_run.json"))
            self._write_status(start)
            _LOGGER.info("next run", pipeline=self._pipeline.name, at=start.isoformat(), failures=self._failures)
            if self._stop.wait(max(0.0, (start - self._clock()).total_seconds())):
                return
            code = self._run_once()
            self._failures = 0 if code == 0 else self._failures + 1
            if code and not self._stop.is_set():
                _LOGGER.error("scheduled run failed", pipeline=self._pipeline.name, exit_code=code)

    def _run_once(self) -> int:
        import os

        command = [sys.executable, "-m", "pipelines", "run", self._pipeline.name, "--target", "local"]
        for name, value in self._arguments.items():
            command += ["--param", f"{name}={json.dumps(value) if isinstance(value, list) else value}"]
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as run:  # noqa: S603 - our own module
            while run.poll() is None:
                if self._stop.wait(0.2):
                    run.terminate()
                    try:
                        run.wait(_STOP_SECONDS)
                    except subprocess.TimeoutExpired:
                        run.kill()
            return run.returncode

    def _write_status(self, start: datetime) -> None:
        status = {
            "pipeline": self._pipeline.name,
            "cron": self._cron.text,
            "next_run_at": start.isoformat(timespec="seconds"),
            "failures_in_a_row": self._failures,
        }
        write_text(self._folder / "schedule.json", json.dumps(status, indent=2) + "\n")

    def _signals(self) -> "_Signals":
        return _Signals(self.stop)


class _Signals:
    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()
