"""A task of a run in hand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import cast

from brain.orchestration.conditions import Condition
from brain.orchestration.request import Retries
from brain.runs.port import Task, TaskState

_DEFAULT_RETRIES = Retries()


@dataclass
class Step:
    """What the store said of a task when the run was taken, and what has become of it since; see `references.Ended`."""

    task: Task
    place: int
    state: TaskState = "waiting"
    attempt: int = 0
    lost: int = 0
    due: float = 0.0
    """Unix seconds before which it is not started."""

    result: object = None
    error: Mapping[str, object] | None = None
    reserved: bool = False
    """Whether its estimates are reserved."""

    @classmethod
    def of(cls, task: Task, place: int) -> "Step":
        """A step from a task as the store has it; one that was running when its worker died stays reserved."""
        due = 0.0 if task.due_at is None else task.due_at.timestamp()
        reserved = task.state == "running"
        return cls(task, place, task.state, task.attempt, task.lost, due, task.result, task.error, reserved)

    @property
    def id(self) -> str:
        """The task's."""
        return self.task.id

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state not in ("waiting", "running")

    @property
    def by_condition(self) -> bool:
        """Whether it was left out because of a condition, its own or one that it depends on."""
        return self.state == "skipped" and self.error is None

    @property
    def may_repeat(self) -> bool:
        """Whether the caller wants a call again of which nobody knows whether it was made."""
        return self.task.options.get("on_unknown") == "retry"

    @cached_property
    def when(self) -> Condition | None:
        """Its condition."""
        given = self.task.options.get("when")
        return None if given is None else Condition.model_validate(given)

    @cached_property
    def retries(self) -> Retries:
        """How often it is tried."""
        given = self.task.options.get("retries")
        return _DEFAULT_RETRIES if given is None else Retries.model_validate(given)

    @cached_property
    def deadline(self) -> float:
        """Unix seconds by which it has ended; infinite where it has no deadline of its own."""
        given = self.task.options.get("deadline")
        return float("inf") if given is None else datetime.fromisoformat(cast(str, given)).timestamp()

    def as_task(self) -> Task:
        """The task as it is now."""
        return replace(
            self.task, state=self.state, attempt=self.attempt, lost=self.lost, result=self.result, error=self.error
        )
