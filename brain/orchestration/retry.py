"""A run that takes up an earlier one where it failed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from brain.capabilities import Registry
from brain.l20.coordination import coordination
from brain.orchestration.request import CoordinateRequest, OrchestrateRequest
from brain.orchestration.submission import Submission, digest, orchestration, with_results
from brain.runs import NewRun, Run, Task
from runtime.problems import Problem

RETRIED_STATES = ("failed", "cancelled")


def _orchestration(request: Mapping[str, object], registry: Registry, by: Submission) -> NewRun:
    return orchestration(OrchestrateRequest.model_validate(request), registry, by)


def _coordination(request: Mapping[str, object], registry: Registry, by: Submission) -> NewRun:
    body = {name: value for name, value in request.items() if name in CoordinateRequest.model_fields}
    return coordination(CoordinateRequest.model_validate(body), registry, by)


_MADE_BY: Mapping[str, Callable[[Mapping[str, object], Registry, Submission], NewRun]] = {
    "orchestration": _orchestration,
    "coordination": _coordination,
}
RETRIED_KINDS = frozenset(_MADE_BY)


def retry_of(run: Run, tasks: Sequence[Task], registry: Registry, by: Submission) -> NewRun:
    """A new run of the same request with the results that stand; deadlines count anew, and so does the budget.

    Args:
        run: The run that failed or was cancelled.
        tasks: Its tasks.
        registry: What is served by now.
        by: Who retries and when; the run's owner stays its owner.

    Raises:
        Problem: 409 where the run has not failed or is of a kind that is asked for again as a whole; 422 where what it
            asked for is not taken any more.
    """
    make = _MADE_BY.get(run.kind)
    if make is None:
        detail = f"runs of kind {run.kind!r} have no tasks to take up; send the request again"
        raise Problem(409, detail=detail, extensions={"kind": run.kind, "retried": sorted(_MADE_BY)})
    if run.state not in RETRIED_STATES:
        detail = f"run {run.id!r} is {run.state}; only one that has failed or was cancelled can be retried"
        raise Problem(409, detail=detail, extensions={"state": run.state})
    new = with_results(make(run.request, registry, replace(by, owner=run.owner)), tasks)
    return replace(new, retry_of=run.id, request_digest=digest("retry", {"of": run.id}))
