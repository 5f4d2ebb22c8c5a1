"""From what was asked to a run that can be accepted."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter

from brain.capabilities import Registry
from brain.orchestration.graph import Graph, Path, Step, check, refused
from brain.orchestration.request import OrchestrateRequest, TaskRequest, Terms
from brain.runs import NewRun, NewTask, Reused, Task
from brain.runs.ids import new_run_id
from runtime.problems import FieldError, json_pointer


@dataclass(frozen=True)
class Submission:
    """Who makes a run, and when.

    Attributes:
        owner: The caller.
        accepted_at: From when deadlines count, with a time zone.
        idempotency_key: The caller's, if any.
    """

    owner: str
    accepted_at: datetime
    idempotency_key: str | None = None

    def after(self, seconds: float | None) -> datetime | None:
        """A moment so long after acceptance."""
        return None if seconds is None else self.accepted_at.astimezone(UTC) + timedelta(seconds=seconds)


def orchestration(asked: OrchestrateRequest, registry: Registry, by: Submission) -> NewRun:
    """A run of the caller's graph.

    Raises:
        Problem: 422 as `graph.check`.
    """
    steps = [
        Step(
            id=f"task{number}" if task.id is None else task.id,
            type=task.type,
            parameters=task.params,
            depends_on=task.depends_on,
            when=task.when,
            place=("tasks", number - 1),
        )
        for number, task in enumerate(asked.tasks, start=1)
    ]
    graph = check(steps, registry)
    tasks = [new_task(step, graph, _options(task, by)) for step, task in zip(steps, asked.tasks, strict=True)]
    return new_run("orchestration", body_of(asked), tasks, asked, by)


def new_task(step: Step, graph: Graph, options: Mapping[str, object] | None = None) -> NewTask:
    """A task from a step that was checked."""
    estimate = graph.capabilities[step.id].estimate(step.parameters)
    return NewTask(
        id=step.id,
        type=step.type,
        parameters=step.parameters,
        after=graph.after[step.id],
        options=options or {},
        estimate_minor=estimate.cost_minor,
        estimate_seconds=estimate.seconds,
    )


def new_run(kind: str, request: Mapping[str, object], tasks: Sequence[NewTask], terms: Terms, by: Submission) -> NewRun:
    """A run of tasks that were checked, under the caller's terms.

    Raises:
        Problem: 422 where the request holds text that cannot be written in UTF-8.
    """
    check_text(request)
    budget = terms.budget
    return NewRun(
        id=new_run_id(),
        kind=kind,
        owner=by.owner,
        request=request,
        request_digest=digest(kind, request),
        tasks=tasks,
        priority=terms.priority,
        idempotency_key=by.idempotency_key,
        deadline=by.after(terms.deadline_seconds),
        budget_minor=None if budget is None else budget.money_minor,
        budget_seconds=None if budget is None else budget.seconds,
    )


def body_of(asked: Terms) -> dict[str, object]:
    """A request as it was sent."""
    return asked.model_dump(by_alias=True, exclude_unset=True)


def digest(kind: str, request: Mapping[str, object]) -> str:
    """Tells whether two requests ask the same, whatever the order of their members."""
    text = json.dumps([kind, request], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_text(request: Mapping[str, object]) -> None:
    """Refuse half of a surrogate pair: JSON can spell it, and nobody could be answered with it in UTF-8.

    Raises:
        Problem: 422 with a pointer for each place.
    """
    try:
        json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        detail = "holds half of a surrogate pair, which is no character; send text that UTF-8 can hold"
        raise refused([FieldError(json_pointer(place), detail) for place in _unwritable(request)]) from error


def _unwritable(value: object, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, str):
        if value.encode("utf-8", "replace") != value.encode("utf-8", "surrogatepass"):
            yield tuple(str(part).encode("utf-8", "backslashreplace").decode() for part in path)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _unwritable(name, (*path, name))
            yield from _unwritable(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unwritable(item, (*path, number))


def with_results(new: NewRun, tasks: Sequence[Task]) -> NewRun:
    """A run that brings along what an earlier one of the same request came to.

    Args:
        new: Made of the same request.
        tasks: Those of the earlier run.
    """
    kept = reusable(tasks)
    brought = [
        replace(task, reused=Reused(kept[task.id].result))
        if task.id in kept and kept[task.id].type == task.type
        else task
        for task in new.tasks
    ]
    return replace(new, tasks=brought)


def reusable(tasks: Sequence[Task]) -> Mapping[str, Task]:
    """Tasks whose results would come out the same again, by id.

    Such a task succeeded, and everything before it succeeded too or was skipped by its own condition: one that came
    after a failure, as a way out of it, is decided anew.
    """
    by_id = {task.id: task for task in tasks}
    stands: dict[str, bool] = {}
    for name in TopologicalSorter({task.id: task.after for task in tasks}).static_order():
        task = by_id[name]
        stands[name] = task.state in ("succeeded", "skipped") and all(stands[before] for before in task.after)
    return {name: task for name, task in by_id.items() if task.state == "succeeded" and stands[name]}


def _options(task: TaskRequest, by: Submission) -> dict[str, object]:
    options: dict[str, object] = {}
    if task.when is not None:
        options["when"] = task.when.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if task.retries is not None:
        options["retries"] = task.retries.model_dump(mode="json")
    if task.on_unknown is not None:
        options["on_unknown"] = task.on_unknown
    deadline = by.after(task.deadline_seconds)
    if deadline is not None:
        options["deadline"] = deadline.isoformat()
    return options
