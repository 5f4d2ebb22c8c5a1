"""Between rows and what they mean."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row

from brain.runs.port import PRIORITIES, NewRun, NewTask, Progress, Run, RunEvent, RunState, Task, TaskState
from runtime.moments import microseconds, moment

AnyRow = Row[Any]

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)  # `dumps` would make one for every value


def text(value: object) -> str:
    """JSON that both databases give back to the bit; as ASCII, because half a surrogate pair is not UTF-8."""
    return _ENCODER.encode(value)


def progress_text(progress: Progress) -> str:
    """A progress as it is kept."""
    return text([progress.done, progress.total, progress.unit, progress.message])


def run_values(new: NewRun, now_us: int) -> Mapping[str, object]:
    """The row of a run that is accepted."""
    return {
        "id": new.id,
        "kind": new.kind,
        "owner": new.owner,
        "priority": PRIORITIES.index(new.priority),
        "state": "queued",
        "reason": "",
        "progress": progress_text(_first_progress(new)),
        "request": text(new.request),
        "request_digest": new.request_digest,
        "idempotency_key": new.idempotency_key,
        "created_us": now_us,
        "deadline_us": None if new.deadline is None else microseconds(new.deadline),
        "retry_of": new.retry_of,
        "budget_minor": new.budget_minor,
        "budget_seconds": new.budget_seconds,
        "spent_minor": 0,
        "spent_seconds": 0.0,
        "epoch": 0,
    }


def _first_progress(new: NewRun) -> Progress:
    reused = sum(task.reused is not None for task in new.tasks)
    return Progress(reused, len(new.tasks), "tasks") if new.tasks else Progress()


def task_values(run_id: str, place: int, new: NewTask, now_us: int) -> Mapping[str, object]:
    """The row of a task that is accepted."""
    reused = new.reused is not None
    return {
        "run_id": run_id,
        "id": new.id,
        "place": place,
        "type": new.type,
        "parameters": text(new.parameters),
        "after": text(list(new.after)),
        "options": text(new.options),
        "estimate_minor": new.estimate_minor,
        "estimate_seconds": new.estimate_seconds,
        "state": "succeeded" if reused else "waiting",
        "attempt": 0,
        "lost": 0,
        "result": None if new.reused is None or new.reused.result is None else text(new.reused.result),
        "finished_us": now_us if reused else None,
        "reused": reused,
        "cost_minor": 0,
        "seconds": 0.0,
    }


def run_of(row: AnyRow) -> Run:
    """A run from its row."""
    return Run(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        priority=PRIORITIES[row.priority],
        state=cast(RunState, row.state),
        reason=row.reason,
        progress=Progress(*json.loads(row.progress)),
        request=json.loads(row.request),
        request_digest=row.request_digest,
        result=_json(row.result),
        created_at=moment(row.created_us),
        started_at=_moment(row.started_us),
        finished_at=_moment(row.finished_us),
        deadline=_moment(row.deadline_us),
        retry_of=row.retry_of,
        budget_minor=row.budget_minor,
        spent_minor=row.spent_minor,
        epoch=row.epoch,
        budget_seconds=row.budget_seconds,
        spent_seconds=row.spent_seconds,
    )


def run_changes_of(row: AnyRow) -> dict[str, Any]:
    """What of a run changes after it was claimed, from its row."""
    return {
        "state": cast(RunState, row.state),
        "reason": row.reason,
        "progress": Progress(*json.loads(row.progress)),
        "started_at": _moment(row.started_us),
        "finished_at": _moment(row.finished_us),
        "spent_minor": row.spent_minor,
        "spent_seconds": row.spent_seconds,
    }


def task_of(row: AnyRow) -> Task:
    """A task from its row."""
    return Task(
        id=row.id,
        type=row.type,
        parameters=json.loads(row.parameters),
        after=tuple(json.loads(row.after)),
        options=json.loads(row.options),
        estimate_minor=row.estimate_minor,
        state=cast(TaskState, row.state),
        attempt=row.attempt,
        due_at=_moment(row.due_us),
        result=_json(row.result),
        error=cast("Mapping[str, object] | None", _json(row.error)),
        cost_minor=row.cost_minor,
        started_at=_moment(row.started_us),
        finished_at=_moment(row.finished_us),
        estimate_seconds=row.estimate_seconds,
        seconds=row.seconds,
        lost=row.lost,
        reused=bool(row.reused),
    )


def event_of(row: AnyRow) -> RunEvent:
    """An event from its row."""
    return RunEvent(row.run_id, row.number, moment(row.at_us), row.event, json.loads(row.body))


def _json(value: str | None) -> object:
    return None if value is None else json.loads(value)


def _moment(at_us: int | None) -> datetime | None:
    return None if at_us is None else moment(at_us)
