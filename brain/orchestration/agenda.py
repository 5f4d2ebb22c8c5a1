"""What is to be done next in a run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from brain.capabilities.port import RETRIED, Capability
from brain.capabilities.registry import Registry, UnknownTypeError
from brain.orchestration import troubles
from brain.orchestration.board import Board
from brain.orchestration.calling import CallEnd, resolved
from brain.orchestration.conditions import NotComparableError, evaluate
from brain.orchestration.pauses import Draw, pause_seconds
from brain.orchestration.references import UnresolvedError
from brain.orchestration.step import Step
from brain.runs.port import Run, Task, TaskChange, TaskState
from runtime.problems import Problem

MOST_LOST = 3
"""Workers that may die with a task before it is taken for what kills them."""

_MADE_PERHAPS = frozenset({408, 500, 502, 504})
"""Statuses that do not tell whether a call took effect."""


class Agenda:
    """Decides what becomes of steps, and calls nobody.

    Args:
        run: As it was taken.
        tasks: As they were then, in the order in which they were given.
        registry: Whom tasks ask.
        draw: Draws pauses between calls.

    Attributes:
        deadline: The run's, in Unix seconds; infinite where it has none.
        next_due: When the next step that only waits for its time is ready, as of the last `starts`.
        parameters: Of the steps that were started, with what their references stand for.
    """

    def __init__(self, run: Run, tasks: Sequence[Task], registry: Registry, draw: Draw) -> None:
        self.deadline = float("inf") if run.deadline is None else run.deadline.timestamp()
        self.next_due = float("inf")
        self.parameters: dict[str, Mapping[str, object]] = {}
        self._registry = registry
        self._draw = draw
        self._board = Board(run, tasks)

    @property
    def steps(self) -> Sequence[Step]:
        """All steps of the run, in the order in which they were given."""
        return self._board.steps

    @property
    def all_ended(self) -> bool:
        """Whether nothing more becomes of any step."""
        return self._board.all_ended

    def take_changes(self) -> list[TaskChange]:
        """What has become of steps since the last time."""
        return self._board.take_changes()

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
            for step in sorted(self._board.ready.values(), key=lambda one: one.place):
                if len(started) >= places:
                    break
                capability = self._startable(step)
                if capability is not None:
                    self._board.start(step)
                    started.append((step, capability))
            if not self._board.undecided:
                return started

    def settle(self, step: Step, end: CallEnd) -> None:
        """Take note of how a call ended: the step ends with it, or waits for another try."""
        self._board.budget.settle(step, end.seconds, end.cost_minor)
        problem = end.problem
        if problem is None:
            self._board.end(step, "succeeded", call=end)
        elif not end.final and problem.status in _MADE_PERHAPS and not self.may_repeat(step):
            self._unknown(step, problem.detail or problem.title, end)
        elif (due := self._next_try(step, end, problem)) is not None:
            self._board.wait(step, due, problem, end)
        else:
            came_too_late = problem.type == troubles.LATE and time.time() >= self.deadline
            self._board.end(step, "failed", troubles.expired() if came_too_late else problem, replace(end, result=None))

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
        self._board.end(step, "cancelled")

    def cancel_rest(self) -> None:
        """End what has not ended, because the caller wants it."""
        for step in self.steps:
            if not step.ended:
                self._close(step, "cancelled", None)

    def expire_rest(self) -> None:
        """End what has not ended, because the run's deadline has passed."""
        for step in self.steps:
            if not step.ended:
                self._close(step, "failed" if step.state == "running" else "cancelled", troubles.expired())

    def _close(self, step: Step, state: TaskState, problem: Problem | None) -> None:
        """End a step; one that was being called and cannot be repeated may have taken effect."""
        if step.state == "running" and not self.may_repeat(step):
            self._unknown(step, "the run ended while the call was in flight", CallEnd())
        else:
            self._board.end(step, state, problem)

    def _unknown(self, step: Step, why: str, end: CallEnd) -> None:
        """Nobody knows whether a call took effect, so what it was expected to cost may have been spent."""
        minor = step.task.estimate_minor
        self._board.budget.settle(step, 0.0, minor)
        self._board.end(step, "outcome_unknown", troubles.unknown(why), replace(end, result=None, cost_minor=minor))

    def _take_up(self) -> None:
        """Decide about calls that were in flight when a worker died."""
        while self._board.left:
            step = self._board.left.popleft()
            step.lost += 1
            if not self.may_repeat(step):
                self._unknown(step, "the worker ended while the call was in flight", CallEnd())
            elif step.lost >= MOST_LOST:
                self._board.end(step, "failed", troubles.lost(step.lost))
            else:
                self._board.start_again(step)

    def _decide(self) -> None:
        """Tell what is ready from what is left out, among steps whose dependencies have ended."""
        while self._board.undecided:
            step = self._board.undecided.popleft()
            looked_at = step.when.looks_at_ends() if step.when is not None else frozenset()
            missing = [one for one in self._board.before(step) if one.state != "succeeded" and one.id not in looked_at]
            if missing:
                failed = [one.id for one in missing if not one.by_condition]
                self._board.end(step, "skipped", troubles.after_failure(failed) if failed else None)
                continue
            try:
                holds = step.when is None or evaluate(step.when, self._board.ended)
            except (UnresolvedError, NotComparableError) as error:
                detail = f"the condition cannot be decided: {error}"
                self._board.end(step, "failed", Problem(422, detail=detail))
                continue
            if holds:
                self._board.ready[step.id] = step
            else:
                self._board.end(step, "skipped")

    def _startable(self, step: Step) -> Capability | None:
        """The capability to call now; None where the step is not due, does not fit, or has ended with this look."""
        now = time.time()
        if now < step.deadline and step.due > now:
            self.next_due = min(self.next_due, step.due, step.deadline)
            return None
        try:
            return self._checked(step, now)
        except Problem as problem:
            self._board.end(step, "failed", problem)
            return None

    def _checked(self, step: Step, now: float) -> Capability | None:
        """The same for a step that is due; None where others have to be settled first.

        Raises:
            Problem: The step cannot be called at all.
        """
        if now >= step.deadline:
            raise troubles.late()
        try:
            capability = self._registry.get(step.task.type)
        except UnknownTypeError as error:
            raise troubles.not_served(step.task.type) from error
        if not capability.served:
            raise troubles.not_served(step.task.type)
        fit = self._board.budget.fits(step)
        if fit == "never":
            raise troubles.over_budget(self._board.budget.told(step))
        if fit == "later":
            return None
        self.parameters[step.id] = resolved(capability, step.task.parameters, self._board.ended)
        return capability

    def _next_try(self, step: Step, end: CallEnd, problem: Problem) -> float | None:
        """When to try again; None where it is final."""
        tries = step.attempt - step.lost
        if end.final or problem.status not in RETRIED or tries >= step.retries.max_attempts:
            return None
        due = time.time() + pause_seconds(step.retries, tries, problem, self._draw)
        return due if due < min(step.deadline, self.deadline) else None
