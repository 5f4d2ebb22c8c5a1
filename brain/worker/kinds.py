"""Which handler carries out which kind of run."""

from collections.abc import Mapping

from brain.capabilities.registry import Registry
from brain.l20.resources.handler import build_handler as allocation_handler
from brain.l20.strategy.handler import build_handler
from brain.orchestration.engine import Engine, Observer, unobserved
from brain.runs.port import RunStore
from brain.worker.port import Handler
from brain.worker.settings import WorkerSettings


def handlers(
    settings: WorkerSettings, store: RunStore, registry: Registry, observe: Observer = unobserved
) -> Mapping[str, Handler]:
    """Every kind of run that this worker takes.

    Args:
        settings: Bounds of calls.
        store: For handlers that look at other runs, or make some; safe for threads.
        registry: Whom tasks ask.
        observe: Told of every call of a capability.
    """
    engine = Engine(
        registry, parallel_calls=settings.parallel_calls, call_seconds=settings.call_seconds, observe=observe
    )
    return {
        "orchestration": engine,
        "coordination": engine,
        "plan": build_handler(store, registry),
        "allocation": allocation_handler(),
    }
