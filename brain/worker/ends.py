"""How runs end whose handler did not say so itself."""

from collections.abc import Sequence

from brain.runs.port import Task, TaskChange
from brain.worker.port import Outcome
from runtime.problems import Problem

_OPEN = ("waiting", "running")


def unexpected() -> Problem:
    """What is told of an exception that nobody expected; its text is in the log alone."""
    return Problem(500, detail="the platform failed in carrying this run out; the worker's log says why")


def ended_by(problem: Problem, run_id: str, tasks: Sequence[Task]) -> Outcome:
    """The end of a run whose handler raised a problem: it is the result, and the error of every task that was open.

    Args:
        problem: What was raised.
        run_id: The run's.
        tasks: As they stand.
    """
    document = problem.document(run_id)
    changes = [TaskChange(one.id, "failed", error=document) for one in tasks if one.state in _OPEN]
    return Outcome("failed", f"task_failed: {problem.detail or problem.title}", document, changes)
