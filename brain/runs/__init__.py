"""The run store: all long work, whoever asked for it, on SQLite by default and PostgreSQL when set."""

from brain.runs.errors import KeyUsedError, LeaseLostError, RunEndedError, RunNotFoundError
from brain.runs.port import (
    ACTIVE,
    PRIORITIES,
    TERMINAL,
    Claimed,
    NewRun,
    NewTask,
    Page,
    Priority,
    Progress,
    Run,
    RunEvent,
    RunState,
    RunStore,
    Task,
    TaskChange,
    TaskState,
)

__all__ = [
    "ACTIVE",
    "PRIORITIES",
    "TERMINAL",
    "Claimed",
    "KeyUsedError",
    "LeaseLostError",
    "NewRun",
    "NewTask",
    "Page",
    "Priority",
    "Progress",
    "Run",
    "RunEndedError",
    "RunEvent",
    "RunNotFoundError",
    "RunState",
    "RunStore",
    "Task",
    "TaskChange",
    "TaskState",
]
