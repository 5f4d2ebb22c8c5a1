"""Work of several domains as one run: what is served becomes tasks, in the order that the registry implies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from brain.capabilities import Capability, Registry
from brain.orchestration.graph import MOST_HINTS, Path, Step, check, refused
from brain.orchestration.request import CoordinateRequest
from brain.orchestration.submission import Submission, body_of, digest, new_run, new_task
from brain.runs import NewRun, Task
from runtime.problems import FieldError, json_pointer, nearest

PLAN = "by_domain"
"""Under which name the request of a run keeps what became of each domain when it was accepted."""


@dataclass
class _Sorted:
    """What the domains of a request come to."""

    steps: list[Step] = field(default_factory=list)
    plan: dict[str, dict[str, object]] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)


def coordination(asked: CoordinateRequest, registry: Registry, by: Submission) -> NewRun:
    """A run of the domains that are served; the others stand in its request, and in its result once it has ended.

    Raises:
        Problem: 422 for names that nobody knows, with the nearest, and for what `graph.check` refuses.
    """
    found = _sort(asked, registry)
    if found.errors:
        raise refused(found.errors)
    types = {step.type for step in found.steps}
    steps = [
        replace(step, depends_on=[name for name in registry.get(step.type).after if name in types])
        for step in found.steps
    ]
    graph = check(steps, registry)
    body = body_of(asked)
    new = new_run("coordination", {**body, PLAN: found.plan}, [new_task(step, graph) for step in steps], asked, by)
    return replace(new, request_digest=digest("coordination", body))


def merged(request: Mapping[str, object], tasks: Sequence[Task]) -> dict[str, object]:
    """What a run came to, by domain.

    A capability has `status` and its `result` or `error`; a domain of several has a `status` and `tasks` by type. The
    status is the task's state, `unavailable` where nobody serves it, or `missing_spec`; that of a domain whose tasks
    came to different ends is `partial` where one succeeded, else `failed`.

    Args:
        request: The run's.
        tasks: The run's, ended.
    """
    plan = request.get(PLAN)
    by_id = {task.id: task for task in tasks}
    return {} if not isinstance(plan, Mapping) else {name: _end(entry, by_id) for name, entry in plan.items()}


def _sort(asked: CoordinateRequest, registry: Registry) -> _Sorted:
    found = _Sorted()
    for number, name in enumerate(asked.domains):
        place = ("domains", number)
        if name in found.plan:
            found.errors.append(_error(place, f"domain {name[:80]!r} stands twice; name it once"))
            continue
        capabilities = _capabilities(name, registry)
        if not capabilities:
            found.errors.append(_error(place, _unknown(name, registry)))
            continue
        spec = asked.task_specs.get(name)
        if len(capabilities) == 1 and capabilities[0].type == name:
            found.plan[name] = _place(capabilities[0], spec, ("task_specs", name), found)
        else:
            found.plan[name] = _place_several(name, capabilities, spec, found)
    found.errors += _stray_specs(asked)
    return found


def _capabilities(name: str, registry: Registry) -> Sequence[Capability]:
    types = {one.type: one for one in registry.known()}
    return (types[name],) if name in types else registry.domains().get(name, ())


def _place(capability: Capability, spec: Mapping[str, object] | None, at: Path, found: _Sorted) -> dict[str, object]:
    """Make a step of a capability, if it is served and has a spec; what it comes to otherwise."""
    if not capability.served:
        return {"status": "unavailable", "detail": f"{capability.type!r} is known and not served by this platform yet"}
    if spec is None:
        detail = f"{capability.type!r} was named without a spec; give its parameters in task_specs"
        return {"status": "missing_spec", "detail": detail}
    if any(step.type == capability.type for step in found.steps):
        found.errors.append(_error(at, f"{capability.type!r} has two specs in this request; leave one"))
    else:
        found.steps.append(Step(capability.type, capability.type, spec, place=at, parameters_place=at))
    return {"task": capability.type}


def _place_several(
    name: str, capabilities: Sequence[Capability], spec: Mapping[str, object] | None, found: _Sorted
) -> dict[str, object]:
    """The same for a domain of several: its spec has parameters by type, and a type without any is left out."""
    by_type = {one.type: one for one in capabilities}
    if not any(one.served for one in capabilities):
        return {"status": "unavailable", "detail": f"nothing of domain {name!r} is served by this platform yet"}
    if not spec:
        detail = f"domain {name!r} was named without a spec; give parameters by type, of {', '.join(by_type)}"
        return {"status": "missing_spec", "detail": detail}
    entries: dict[str, object] = {}
    for key, given in spec.items():
        place = ("task_specs", name, key)
        if key not in by_type:
            hint = _hint(key, by_type)
            found.errors.append(_error(place, f"domain {name!r} has no capability {key[:80]!r}; {hint}"))
        elif not isinstance(given, Mapping):
            found.errors.append(_error(place, f"expected the parameters of {key!r} as an object"))
        else:
            entries[key] = _place(by_type[key], given, place, found)
    return {"tasks": entries}


def _end(entry: object, tasks: Mapping[str, Task]) -> dict[str, object]:
    if not isinstance(entry, Mapping):
        raise TypeError(f"expected what became of a domain, got {type(entry).__name__}")
    if "tasks" in entry:
        ends = {name: _end(one, tasks) for name, one in entry["tasks"].items()}
        return {"status": _common({str(one["status"]) for one in ends.values()}), "tasks": ends}
    if "task" not in entry:
        return dict(entry)
    task = tasks[str(entry["task"])]
    told = {"result": task.result} if task.state == "succeeded" else {"error": task.error}
    return {"status": task.state, **told}


def _common(states: set[str]) -> str:
    if len(states) == 1:
        return states.pop()
    return "partial" if "succeeded" in states else "failed"


def _stray_specs(asked: CoordinateRequest) -> Iterator[FieldError]:
    known = set(asked.domains)
    stray = [name for name in asked.task_specs if name not in known]
    for number, name in enumerate(stray):
        hint = _hint(name, known) if number < MOST_HINTS else "name it among them"
        yield _error(("task_specs", name), f"{name[:80]!r} is not among the domains; {hint}")


def _unknown(name: str, registry: Registry) -> str:
    types = {one.type for one in registry.known()}
    known = sorted(types | registry.domains().keys())
    return f"there is no domain {name[:80]!r}; {_hint(name, known)} Known: {', '.join(known)}"


def _hint(name: str, known: Mapping[str, object] | Sequence[str] | set[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else f"choose one of {', '.join(sorted(known)[:20])}."


def _error(place: Path, detail: str) -> FieldError:
    return FieldError(json_pointer(place), detail)
