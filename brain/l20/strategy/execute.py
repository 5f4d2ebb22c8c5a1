"""What of a plan the platform can do by itself, as a run of orchestration."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from brain.capabilities.registry import Registry
from brain.orchestration.request import OrchestrateRequest
from brain.orchestration.submission import Submission, orchestration
from brain.runs import NewRun, Run
from runtime.problems import Problem

FEASIBLE = ("optimal", "feasible")


class NothingToExecuteError(Problem):
    """A plan of which nothing can be handed over; 409, and the detail says why."""

    def __init__(self, why: str) -> None:
        super().__init__(409, detail=f"nothing of this plan can be executed: {why}")


def execution(plan: Run, result: object, registry: Registry, now: datetime) -> NewRun:
    """The run that carries out the tasks of a plan which a served capability can do, in the plan's order.

    Its owner is the plan's and its key the plan's id, so that a plan is executed once.

    Args:
        plan: The run of the plan.
        result: Its result; the run may not have ended yet.
        registry: Tells what is served.
        now: With a time zone.

    Raises:
        NothingToExecuteError: The plan has no schedule, or no task that a served capability can do.
        Problem: 422 where a capability does not take a task's parameters.
    """
    tasks = _tasks(result)
    served = {one.type for one in registry.served()}
    able = {str(task["id"]) for task in tasks if task.get("capability") in served}
    if not able:
        asked = sorted({str(task["capability"]) for task in tasks if task.get("capability")})
        raise NothingToExecuteError(f"its tasks ask for {asked}, served are {sorted(served)}")
    after = {str(task["id"]): _names(task.get("after")) for task in tasks}
    body = {
        "tasks": [
            {
                "id": task["id"],
                "type": task["capability"],
                "params": task["params"],
                "depends_on": _before(str(task["id"]), after, able),
            }
            for task in tasks
            if task["id"] in able
        ]
    }
    by = Submission(plan.owner, now, f"plan/{plan.id}")
    return orchestration(OrchestrateRequest.model_validate(body), registry, by)


def _tasks(result: object) -> Sequence[Mapping[str, object]]:
    match result:
        case {"status": str(status), "tasks": list(tasks)} if status in FEASIBLE:
            return sorted(tasks, key=lambda task: str(task["id"]))
        case {"status": str(status)}:
            raise NothingToExecuteError(f"it has no schedule, its status is {status!r}")
    raise NothingToExecuteError("it has no result")


def _names(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _before(task: str, after: Mapping[str, Sequence[str]], able: set[str]) -> list[str]:
    """The nearest tasks before it that can be executed; what people do between them is not waited for."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(after[task])
    while waiting:
        name = waiting.pop()
        if name in able:
            found.add(name)
        elif name not in seen:
            seen.add(name)
            waiting += after[name]
    return sorted(found)
