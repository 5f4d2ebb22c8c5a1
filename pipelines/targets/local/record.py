"""What a local run says of itself while it works and after: one small JSON file, replaced whole."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines.wiring.parameters import ParameterValue

RunState = Literal["running", "succeeded", "failed", "stopped", "died"]


class StepRecord(BaseModel):
    """One step of a run; `seconds` is None while it runs."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: Literal["running", "succeeded", "failed"]
    seconds: float | None = None
    log: str = ""


class RunRecord(BaseModel):
    """The last run of a pipeline. `died` is never written: a reader says it of a run whose process is gone."""

    model_config = ConfigDict(frozen=True)

    id: str
    pipeline: str
    state: RunState
    pid: int
    parameters: dict[str, ParameterValue]
    folder: str
    started_at: datetime
    ended_at: datetime | None = None
    failed_step: str = ""
    reason: str = ""
    steps: tuple[StepRecord, ...] = ()


def now() -> datetime:
    """The wall clock, UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def write_record(path: Path, record: RunRecord) -> None:
    """Replace the record on disk."""
    write_text(path, record.model_dump_json(indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file, so that a reader sees it whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def read_last_run(path: Path) -> RunRecord | None:
    """The record in `last_run.json`, or None where no run was ever started; a running run without a process died."""
    if not path.is_file():
        return None
    record = RunRecord.model_validate(json.loads(path.read_text()))
    if record.state == "running" and not _alive(record.pid):
        return record.model_copy(update={"state": "died", "reason": "its process was killed"})
    return record


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
