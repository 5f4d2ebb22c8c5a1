"""One call of a capability: parameters resolved and checked, bounded in time, its answer as JSON."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from brain.capabilities.port import Answer, Call, Capability, Handler
from brain.orchestration import troubles
from brain.orchestration.parameters import parameter_errors
from brain.orchestration.references import Ended, UnresolvedError, resolve
from runtime.logs import get_logger
from runtime.problems import FieldError, Problem, json_pointer

_log = get_logger(__name__)


@dataclass(frozen=True)
class CallEnd:
    """How a call ended.

    Attributes:
        result: What it gave, as the store gives it back.
        problem: Why it gave nothing.
        cost_minor: What it cost.
        seconds: How long it took.
        final: Whether another try would end likewise.
    """

    result: object = None
    problem: Problem | None = None
    cost_minor: int = 0
    seconds: float = 0.0
    final: bool = False


def resolved(capability: Capability, given: Mapping[str, object], ended: Mapping[str, Ended]) -> Mapping[str, object]:
    """Parameters with what their references stand for.

    Raises:
        Problem: 422 where a reference leads nowhere, or what it stands for is not what the capability takes.
    """
    try:
        parameters = resolve(given, ended)
    except UnresolvedError as error:
        raise Problem(422, detail=str(error)) from error
    if not isinstance(parameters, Mapping):
        raise TypeError(f"parameters are an object, and resolving them gave {type(parameters).__name__}")
    if parameters != given:
        errors = [
            FieldError(json_pointer(path), detail)
            for path, detail in parameter_errors(capability, parameters, resolved=True)
        ]
        if errors:
            told = "; ".join(f"{one.pointer or 'the parameters'}: {one.detail}" for one in errors[:3])
            raise Problem(422, detail=f"what references stand for does not fit: {told}", errors=errors)
    return parameters


async def make_call(handler: Handler, call: Call) -> CallEnd:
    """Make a call and tell how it ended; only being cancelled raises."""
    begun = time.perf_counter()
    answer, problem = None, None
    try:
        async with asyncio.timeout(call.deadline.remaining_seconds):
            answer = await handler(call)
    except TimeoutError:
        problem = troubles.late("the call did not end before its deadline")
    except Problem as error:
        problem = error
    except Exception:  # noqa: BLE001 - whatever a handler raises is one task's trouble, not the run's
        _log.exception("a capability failed", run=call.run_id, task=call.task_id)
        problem = Problem(500, detail="the platform failed in carrying this task out; the worker's log says why")
    seconds = time.perf_counter() - begun
    if answer is None:
        return CallEnd(problem=problem, seconds=seconds)
    return _of(answer, seconds, call)


def _of(answer: Answer, seconds: float, call: Call) -> CallEnd:
    try:
        result = json.loads(json.dumps(answer.result, allow_nan=False))
    except (TypeError, ValueError) as error:
        _log.error("an answer is not JSON", run=call.run_id, task=call.task_id, reason=str(error)[:200])
        problem = Problem(500, "Answer unusable", "what was called gave an answer that is not JSON")
        return CallEnd(None, problem, answer.cost_minor, seconds, final=True)
    return CallEnd(result, None, answer.cost_minor, seconds)
