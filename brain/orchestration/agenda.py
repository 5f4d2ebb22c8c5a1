"""What is to be done next in a run, and what is to be recorded of it."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from brain.capabilities.port import RETRIED, Capability
from brain.capabilities.registry import Registry, UnknownTypeError
from brain.orchestration import troubles
from brain.orchestration.budget import Budget
from brain.orchestration.calling import CallEnd, resolved
from brain.orchestration.conditions import NotComparableError, evaluate
from brain.orchestration.pauses import pause_seconds
from brain.orchestration.references import Ended, UnresolvedError
from brain.orchestration.step import Step
from brain.runs.port import Run, Task, TaskChange, TaskState
from runtime.problems import Problem

MOST_LOST = 3
"""Workers that may die with a task before it is taken for what kills them."""

_MADE_PERHAPS = frozenset({408, 500, 502, 504})
"""Statuses that do not tell whether a call took effect."""


class Agenda:
    """Steps of a run; decides, and calls nobody.

    Args:
        run: As it was taken.
        tasks: As they were then, in the order in which they were given.
        registry: Whom tasks ask.
    """

    def __init__(self, run: Run, tasks: Sequence[Task], registry: Registry) -> None:
        self.steps = [Step.of(task, place) for place, task in enumerate(tasks)]
        self.deadline = float("inf") if run.deadline is None else run.deadline.timestamp()
        self.next_due = float("inf")
        self.parameters: dict[str, Mapping[str, object]] = {}
        self._registry = registry
        self._budget = Budget.of(run)
        self._by_id = {step.id: step for step in self.steps}
        self._ended: dict[str, Step] = {step.id: step for step in self.steps if step.ended}
        self._open = {step.id: sum(name not in self._ended for name in step.task.after) for step in self.steps}
        self._next: dict[str, list[Step]] = {step.id: [] for step in self.steps}
        for step in self.steps:
            for name in step.task.after:
                self._next[name].append(step)
        self._changes: list[TaskChange] = []
        self._left = deque(step for step in self.steps if step.state == "running")
        self._undecided = deque(step for step in self.steps if step.state == "waiting" and not self._open[step.id])
        self._ready: dict[str, Step] = {}
        for step in self._left:
            self._budget.hold(step)

    @property
    def all_ended(self) -> bool:
        """Whether nothing more becomes of any task."""
        return len(self._ended) == len(self.steps)

    def take_changes(self) -> list[TaskChange]:
        """What has become of tasks since the last time."""
        changes, self._changes = self._changes, []
        return changes

    def starts(self, places: int) -> list[tuple[Step, Capability]]:
        """Decide what can be decided, and start what is ready; the intents are among the changes.

        Args:
            places: Calls that may begin now.
        """
        self._take_up()
        started: list[tuple[Step, Capability]] = []
        while True:
            self._decide()
            self.next_due = float("inf")
            for step in sorted(self._ready.values(), key=lambda one: one.place):
                if len(started) >= places:
                    break
                capability = self._startable(step)
                if capability is not None:
                    self._start(step)
                    started.append((step, capability))
            if not self._undecided:
                return started

    def settle(self, step: Step, end: CallEnd) -> None:
        """Take note of how a call ended: the task ends with it, or waits for another try."""
        self._budget.settle(step, end.seconds, end.cost_minor)
        if end.problem is None:
            self._end(step, "succeeded", result=end.result, minor=end.cost_minor, seconds=end.seconds)
            return
        problem, unclear = end.problem, not self.may_repeat(step) and end.problem.status in _MADE_PERHAPS
        if unclear and not end.final:
            minor = step.task.estimate_minor  # it may have been spent
            self._budget.settle(step, 0.0, minor)
            told = troubles.unknown(problem.detail or problem.title)
            self._end(step, "outcome_unknown", told, minor=minor, seconds=end.seconds)
            return
        due = self._next_try(step, end)
        if due is None:
            if problem.type == troubles.LATE and time.time() >= self.deadline:
                problem = troubles.expired()
            self._end(step, "failed", problem, minor=end.cost_minor, seconds=end.seconds)
            return
        self._wait(step, due, problem, end)

    def may_repeat(self, step: Step) -> bool:
        """Whether a call may be made again although an earlier one may have taken effect."""
        if step.may_repeat:
            return True
        try:
            return self._registry.get(step.task.type).resumable
        except UnknownTypeError:
            return True

    def never_called(self, step: Step) -> None:
        """An intent was recorded, and then nobody was called."""
        self._end(step, "cancelled")

    def cancel_rest(self) -> None:
        """End what has not ended, because the caller wants it; a call that cannot be repeated may have been made."""
        for step in self.steps:
            if not step.ended:
                self._close(step, "cancelled", None)

    def expire_rest(self) -> None:
        """End what has not ended, because the run's deadline has passed."""
        for step in self.steps:
            if not step.ended:
                self._close(step, "failed" if step.state == "running" else "cancelled", troubles.expired())

    def _close(self, step: Step, state: TaskState, problem: Problem | None) -> None:
        if step.state == "running" and not self.may_repeat(step):
            told = troubles.unknown("the run ended while the call was in flight")
            self._end(step, "outcome_unknown", told, minor=step.task.estimate_minor)
        else:
            self._end(step, state, problem)

    def _take_up(self) -> None:
        """Decide about calls that were in flight when a worker died."""
        while self._left:
            step = self._left.popleft()
            step.lost += 1
            if not self.may_repeat(step):
                self._budget.settle(step, 0.0, step.task.estimate_minor)
                told = troubles.unknown("the worker ended while the call was in flight")
                self._end(step, "outcome_unknown", told, minor=step.task.estimate_minor)
            elif step.lost >= MOST_LOST:
                self._end(step, "failed", troubles.lost(step.lost))
            else:
                step.state, step.due = "waiting", 0.0
                self._ready[step.id] = step

    def _decide(self) -> None:
        """Tell what is ready from what is left out, among steps whose dependencies have ended."""
        while self._undecided:
            step = self._undecided.popleft()
            looked_at = step.when.looks_at_ends() if step.when is not None else frozenset()
            blocking = [
                self._by_id[name]
                for name in step.task.after
                if self._by_id[name].state != "succeeded" and name not in looked_at
            ]
            if blocking:
                failed = [one.id for one in blocking if not one.by_condition]
                self._end(step, "skipped", troubles.after_failure(failed) if failed else None)
                continue
            try:
                holds = step.when is None or evaluate(step.when, cast(Mapping[str, Ended], self._ended))
            except (UnresolvedError, NotComparableError) as error:
                self._end(step, "failed", Problem(422, detail=f"the condition cannot be decided: {error}"))
                continue
            if holds:
                self._ready[step.id] = step
            else:
                self._end(step, "skipped")

    def _startable(self, step: Step) -> Capability | None:
        """The capability to call now; None where it is not due, does not fit or has ended with this look."""
        now = time.time()
        if now >= step.deadline:
            self._end(step, "failed", troubles.late())
            return None
        if step.due > now:
            self.next_due = min(self.next_due, step.due, step.deadline)
            return None
        try:
            capability = self._registry.get(step.task.type)
        except UnknownTypeError:
            capability = None
        if capability is None or not capability.served:
            self._end(step, "failed", troubles.not_served(step.task.type))
            return None
        fit = self._budget.fits(step)
        if fit == "never":
            self._end(step, "failed", troubles.over_budget(self._budget.told(step)))
        if fit != "now":
            return None
        try:
            given = step.task.parameters
            self.parameters[step.id] = resolved(capability, given, cast(Mapping[str, Ended], self._ended))
        except Problem as problem:
            self._end(step, "failed", problem)
            return None
        return capability

    def _start(self, step: Step) -> None:
        del self._ready[step.id]
        self._budget.reserve(step)
        step.state, step.attempt = "running", step.attempt + 1
        self._changes.append(TaskChange(step.id, "running", attempt=step.attempt, lost=step.lost))

    def _next_try(self, step: Step, end: CallEnd) -> float | None:
        """When to try again; None where it is final."""
        tries = step.attempt - step.lost
        if end.problem is None or end.final or end.problem.status not in RETRIED or tries >= step.retries.max_attempts:
            return None
        due = time.time() + pause_seconds(step.retries, tries, end.problem)
        return due if due < min(step.deadline, self.deadline) else None

    def _wait(self, step: Step, due: float, problem: Problem, end: CallEnd) -> None:
        step.state, step.due = "waiting", due
        self._ready[step.id] = step
        self._changes.append(
            TaskChange(
                step.id,
                "waiting",
                attempt=step.attempt,
                due_at=datetime.fromtimestamp(due, UTC),
                error=problem.document(),
                cost_minor=end.cost_minor,
                seconds=end.seconds,
            )
        )

    def _end(
        self,
        step: Step,
        state: TaskState,
        problem: Problem | None = None,
        *,
        result: object = None,
        minor: int = 0,
        seconds: float = 0.0,
    ) -> None:
        self._budget.settle(step, 0.0, 0)
        step.state, step.result = state, result
        step.error = None if problem is None else problem.document()
        self._ready.pop(step.id, None)
        self._ended[step.id] = step
        self._changes.append(
            TaskChange(
                step.id,
                state,
                attempt=step.attempt,
                lost=step.lost,
                result=result,
                error=step.error,
                cost_minor=minor,
                seconds=seconds,
            )
        )
        for after in self._next[step.id]:
            self._open[after.id] -= 1
            if not self._open[after.id] and after.state == "waiting":
                self._undecided.append(after)
