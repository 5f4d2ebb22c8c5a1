"""Keeps the record of one run while its steps begin and end."""

import threading
import time
from pathlib import Path

from pipelines.targets.local.record import RunRecord, RunState, StepRecord, now, write_record


class Journal:
    """Writes `last_run.json` at every turn of a run."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self._path = path
        self._record = record
        self._began = 0.0
        # A signal handler ends the run from the same thread while a step's end may be half written.
        self._lock = threading.RLock()
        write_record(path, record)

    @property
    def record(self) -> RunRecord:
        """What is known now."""
        return self._record

    def began(self, step: str, log: Path) -> None:
        """A step starts."""
        self._began = time.monotonic()
        self._change(steps=(*self._record.steps, StepRecord(name=step, state="running", log=str(log))))

    def ended(self, step: str, succeeded: bool, reason: str) -> None:
        """The running step ended."""
        *before, last = self._record.steps
        seconds = round(time.monotonic() - self._began, 2)
        done = last.model_copy(update={"state": "succeeded" if succeeded else "failed", "seconds": seconds})
        self._change(steps=(*before, done), **self._failure(step, succeeded, reason))

    def finish(self, state: RunState, reason: str = "") -> RunRecord:
        """The run ended; a reason that a step gave is kept."""
        self._change(state=state, ended_at=now(), reason=self._record.reason or reason)
        return self._record

    def _failure(self, step: str, succeeded: bool, reason: str) -> dict[str, str]:
        """The first failure explains the run; the exit step, which comes last, may fail for the same reason."""
        known = self._record.failed_step
        if succeeded:
            return {"failed_step": "", "reason": ""} if known == step else {}
        return {"failed_step": step, "reason": reason} if known in ("", step) else {}

    def _change(self, **update: object) -> None:
        with self._lock:
            self._record = self._record.model_copy(update=update)
            write_record(self._path, self._record)
