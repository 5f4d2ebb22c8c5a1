"""A run as callers see it."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from brain.orchestration.retry import RETRIED_KINDS, RETRIED_STATES
from brain.runs import Priority, Run, RunState, Task, TaskState

RUNS = "/api/v1/runs"
DEFAULT_CURRENCY = "USD"


class ProgressDocument(BaseModel):
    """How far a run has come."""

    done: int
    total: int | None = Field(description="null while nobody knows")
    unit: str
    message: str


class CostDocument(BaseModel):
    """What something has used up."""

    seconds: float
    money_minor: int = Field(description="minor units of the run's currency")


class BudgetDocument(BaseModel):
    """What a run may use up."""

    seconds: float | None = None
    money_minor: int | None = None
    currency: str = DEFAULT_CURRENCY


class TaskDocument(BaseModel):
    """A task with what has become of it."""

    id: str
    type: str
    state: TaskState
    after: list[str] = Field(description="tasks that end before it begins")
    attempt: int = Field(description="number of its last start, 0 before the first")
    result: object
    error: dict[str, object] | None = Field(description="a problem: type, title, status, detail")
    cost: CostDocument
    due_at: datetime | None = Field(description="not started before then")
    started_at: datetime | None
    finished_at: datetime | None
    reused: bool = Field(description="its result is that of the run that this one retries")


class RunSummary(BaseModel):
    """A run without its tasks and its result."""

    id: str = Field(examples=["run_01K5Z3T9V7Q4X8B2N6M0C1D5EF"])
    kind: str = Field(examples=["orchestration", "coordination", "plan", "allocation"])
    owner: str
    priority: Priority
    state: RunState
    reason: str = Field(description="why it stands as it does; the first word is the machine's")
    progress: ProgressDocument
    links: dict[str, str] = Field(description="`self`, `events`, and `retry` where it can be retried")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline: datetime | None
    retry_of: str | None
    budget: BudgetDocument | None
    spent: CostDocument


class RunDocument(RunSummary):
    """A run as it stands."""

    tasks: list[TaskDocument]
    result: object = Field(description="what it came to; null before that")


class RunList(BaseModel):
    """One page of runs, newest first, without their tasks and results."""

    runs: list[RunSummary]
    next: str | None = Field(description="send it as `cursor` for the next page; null on the last one")


def run_document(run: Run, tasks: Sequence[Task]) -> dict[str, object]:
    """A run with its tasks, as JSON."""
    return {**run_summary(run), "tasks": [_task(task) for task in tasks], "result": run.result}


def run_summary(run: Run) -> dict[str, object]:
    """A run without its tasks and its result, as JSON."""
    progress = run.progress
    return {
        "id": run.id,
        "kind": run.kind,
        "owner": run.owner,
        "priority": run.priority,
        "state": run.state,
        "reason": run.reason,
        "progress": {
            "done": progress.done,
            "total": progress.total,
            "unit": progress.unit,
            "message": progress.message,
        },
        "links": _links(run),
        "created_at": _moment(run.created_at),
        "started_at": _moment(run.started_at),
        "finished_at": _moment(run.finished_at),
        "deadline": _moment(run.deadline),
        "retry_of": run.retry_of,
        "budget": _budget(run),
        "spent": {"seconds": run.spent_seconds, "money_minor": run.spent_minor},
    }


def run_path(run_id: str) -> str:
    """Where a run is."""
    return f"{RUNS}/{run_id}"


def _task(task: Task) -> dict[str, object]:
    return {
        "id": task.id,
        "type": task.type,
        "state": task.state,
        "after": list(task.after),
        "attempt": task.attempt,
        "result": task.result,
        "error": task.error,
        "cost": {"seconds": task.seconds, "money_minor": task.cost_minor},
        "due_at": _moment(task.due_at),
        "started_at": _moment(task.started_at),
        "finished_at": _moment(task.finished_at),
        "reused": task.reused,
    }


def _links(run: Run) -> dict[str, str]:
    path = run_path(run.id)
    links = {"self": path, "events": f"{path}/events"}
    if run.kind in RETRIED_KINDS and run.state in RETRIED_STATES:
        links["retry"] = f"{path}/retry"
    return links


def _budget(run: Run) -> dict[str, object] | None:
    if run.budget_minor is None and run.budget_seconds is None:
        return None
    asked = run.request.get("budget")
    currency = asked.get("currency") if isinstance(asked, dict) else None
    limits = {"seconds": run.budget_seconds, "money_minor": run.budget_minor}
    return {name: value for name, value in limits.items() if value is not None} | {
        "currency": currency or DEFAULT_CURRENCY
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
