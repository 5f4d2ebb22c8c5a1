"""Where the steps of a run stand, and what has become of them since the last commit."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from brain.orchestration.budget import Budget
from brain.orchestration.calling import CallEnd
from brain.orchestration.references import Ended
from brain.orchestration.step import Step
from brain.runs.port import Run, Task, TaskChange, TaskState
from runtime.problems import Problem


class Board:
    """Moves steps from one state to the next; every move is kept as a change to be recorded.

    Args:
        run: As it was taken.
        tasks: As they were then, in the order in which they were given.

    Attributes:
        steps: All of them, in that order.
        budget: What the run may still use.
        ready: Steps whose dependencies let them begin, by id.
        undecided: Steps whose dependencies have ended.
        left: Steps that were being called when a worker died.
    """

    def __init__(self, run: Run, tasks: Sequence[Task]) -> None:
        self.steps = [Step.of(task, place) for place, task in enumerate(tasks)]
        self.budget = Budget.of(run)
        self._by_id = {step.id: step for step in self.steps}
        self._ended = {step.id: step for step in self.steps if step.ended}
        self._open = {step.id: sum(name not in self._ended for name in step.task.after) for step in self.steps}
        self._next: dict[str, list[Step]] = {step.id: [] for step in self.steps}
        for step in self.steps:
            for name in step.task.after:
                self._next[name].append(step)
        self._changes: list[TaskChange] = []
        self.left = deque(step for step in self.steps if step.state == "running")
        self.undecided = deque(step for step in self.steps if step.state == "waiting" and not self._open[step.id])
        self.ready: dict[str, Step] = {}
        for step in self.left:
            self.budget.hold(step)

    @property
    def all_ended(self) -> bool:
        """Whether nothing more becomes of any step."""
        return len(self._ended) == len(self.steps)

    @property
    def ended(self) -> Mapping[str, Ended]:
        """Steps that have ended, for references."""
        return cast(Mapping[str, Ended], self._ended)

    def before(self, step: Step) -> list[Step]:
        """What a step depends on."""
        return [self._by_id[name] for name in step.task.after]

    def take_changes(self) -> list[TaskChange]:
        """What has become of steps since the last time."""
        changes, self._changes = self._changes, []
        return changes

    def start(self, step: Step) -> None:
        """A ready step is about to be called."""
        del self.ready[step.id]
        self.budget.reserve(step)
        step.state, step.attempt = "running", step.attempt + 1
        self._changes.append(TaskChange(step.id, "running", attempt=step.attempt, lost=step.lost))

    def start_again(self, step: Step) -> None:
        """A step whose call a dead worker had begun is ready, still with its reservation."""
        step.state, step.due = "waiting", 0.0
        self.ready[step.id] = step

    def wait(self, step: Step, due: float, problem: Problem, end: CallEnd) -> None:
        """A call has failed, and the next one is made at a moment in Unix seconds."""
        step.state, step.due = "waiting", due
        self.ready[step.id] = step
        change = TaskChange(
            step.id,
            "waiting",
            attempt=step.attempt,
            due_at=datetime.fromtimestamp(due, UTC),
            error=problem.document(),
            cost_minor=end.cost_minor,
            seconds=end.seconds,
        )
        self._changes.append(change)

    def end(self, step: Step, state: TaskState, problem: Problem | None = None, call: CallEnd | None = None) -> None:
        """Nothing more becomes of a step; what waited for it alone can be decided.

        Args:
            step: Which.
            state: A terminal one.
            problem: Why it did not succeed.
            call: The call that ended it, whose use of the budget has been settled.
        """
        self.budget.settle(step, 0.0, 0)
        call = call or CallEnd()
        step.state, step.result = state, call.result
        step.error = None if problem is None else problem.document()
        self.ready.pop(step.id, None)
        self._ended[step.id] = step
        change = TaskChange(
            step.id,
            state,
            attempt=step.attempt,
            lost=step.lost,
            result=step.result,
            error=step.error,
            cost_minor=call.cost_minor,
            seconds=call.seconds,
        )
        self._changes.append(change)
        for after in self._next[step.id]:
            self._open[after.id] -= 1
            if not self._open[after.id] and after.state == "waiting":
                self.undecided.append(after)
