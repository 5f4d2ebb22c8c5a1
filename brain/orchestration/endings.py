"""How a run of tasks ended, from what became of them."""

from collections.abc import Sequence

from brain.l20.coordination import merged
from brain.orchestration import troubles
from brain.orchestration.step import Step
from brain.runs.port import Progress, Run, RunState, TaskChange
from brain.worker.port import Outcome

_NAMED = 5


def progress(steps: Sequence[Step]) -> Progress:
    """How many tasks have ended."""
    return Progress(sum(step.ended for step in steps), len(steps), "tasks")


def ending(
    run: Run, steps: Sequence[Step], changes: Sequence[TaskChange] = (), *, state: RunState | None = None
) -> Outcome:
    """The outcome of a run whose tasks have all ended.

    Args:
        run: As it stands.
        steps: Its tasks, all of them.
        changes: What is still to be recorded of them.
        state: `cancelled` where the caller asked for it and it came in time; None decides by the tasks.
    """
    if state == "cancelled":
        word = "cancelled"
    elif run.kind == "coordination" and not steps:
        state, word = "failed", "nothing_served"
    else:
        word = _reason(steps)
        state = "failed" if word else "succeeded"
    reason = f"{word}: {_told(steps)}" if word and steps else word
    return Outcome(state, reason, _result(run, steps), changes, progress(steps) if steps else None)


def _reason(steps: Sequence[Step]) -> str:
    """The machine's word; empty where every task succeeded or was left out by a condition."""
    bad = [step for step in steps if step.state != "succeeded" and not step.by_condition]
    if not bad:
        return ""
    types = {str((step.error or {}).get("type", "")) for step in bad}
    if troubles.EXPIRED in types:
        return "expired"
    if any(step.state == "outcome_unknown" for step in bad):
        return "outcome_unknown"
    if troubles.BUDGET in types:
        return "budget_exhausted"
    return "partial" if any(step.state == "succeeded" for step in steps) else "task_failed"


def _told(steps: Sequence[Step]) -> str:
    succeeded = sum(step.state == "succeeded" for step in steps)
    parts = [f"{succeeded} of {len(steps)} tasks succeeded"]
    for state in ("failed", "outcome_unknown"):
        names = [step.id for step in steps if step.state == state]
        if names:
            more = ", …" if len(names) > _NAMED else ""
            parts.append(f"{state}: {', '.join(names[:_NAMED])}{more}")
    return "; ".join(parts)


def _result(run: Run, steps: Sequence[Step]) -> dict[str, object]:
    if run.kind == "coordination":
        return merged(run.request, [step.as_task() for step in steps])
    return {step.id: step.result for step in steps if step.state == "succeeded"}
