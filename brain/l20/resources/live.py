"""What comes to the platform's predictors and how long they take, from their own metrics and the gateway's."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from brain.clients.errors import UpstreamError
from brain.clients.upstream import Upstream
from brain.deadline import Deadline
from brain.l20.resources.request import Capacity, Evidence, ServiceDemand
from brain.l20.resources.settings import ResourcesSettings

LOOK_SECONDS = 2.0
SHORTEST_WINDOW_SECONDS = 30.0
GIGABYTE = 1e9


@dataclass(frozen=True)
class Look:
    """Counters at a moment; `since` is when they began, both in Unix seconds."""

    at: float
    since: float
    requests: float
    seconds: float
    memory_bytes: float | None = None


@dataclass(frozen=True)
class Measured:
    """A service as the solver is to see it, with where that comes from; `kept` is why it stays as it is, if it does."""

    demand: ServiceDemand
    evidence: Evidence
    kept: str = ""


class Demand:
    """Looks at counters, and remembers earlier looks so that a window need not reach back to a start.

    Args:
        settings: Windows, and what stands in for what nobody measures.
        registry: The gateway's metrics.
        started_at: When they began, Unix seconds.
    """

    def __init__(self, settings: ResourcesSettings, registry: CollectorRegistry, started_at: float) -> None:
        self._settings = settings
        self._registry = registry
        self._started_at = started_at
        self._earlier: dict[str, list[Look]] = {}

    async def measure(self, name: str, upstream: Upstream) -> Measured:
        """A service's demand over the longest window that is known, within `window_seconds` where that can be."""
        try:
            answer = await upstream.call("GET", "/metrics", Deadline.after(LOOK_SECONDS))
            look = read_predictor(answer.body.decode("utf-8", "replace"), time.time())
            source = "predictor_request_seconds of the predictor"
        except (UpstreamError, ValueError):
            look = read_gateway(self._registry, upstream.name, self._started_at, time.time())
            source = "brain_upstream_seconds of this gateway, as the predictor's metrics cannot be read"
        return self._measured(name, self._since_earlier(name, look), source)

    def _since_earlier(self, name: str, look: Look) -> Look:
        """The same counters less those of the earliest look that is recent enough and of the same process."""
        kept = [
            one
            for one in self._earlier.get(name, ())
            if look.at - one.at <= self._settings.window_seconds
            and abs(one.since - look.since) < 1
            and one.requests <= look.requests
        ]
        self._earlier[name] = [*kept, look] if not kept or look.at - kept[-1].at >= SHORTEST_WINDOW_SECONDS else kept
        if not kept or look.at - kept[0].at < SHORTEST_WINDOW_SECONDS:
            return look
        first = kept[0]
        return Look(look.at, first.at, look.requests - first.requests, look.seconds - first.seconds, look.memory_bytes)

    def _measured(self, name: str, look: Look, source: str) -> Measured:
        window = max(1e-3, look.at - look.since)
        settings = self._settings
        memory = look.memory_bytes
        traffic = look.requests > 0
        demand = ServiceDemand(
            name=name,
            arrival_per_second=look.requests / window,
            service_seconds=max(1e-6, look.seconds / look.requests) if traffic else settings.latency_target_seconds,
            cpu=settings.replica_cpu,
            memory_gb=round(memory / GIGABYTE, 3) if memory else settings.replica_memory_gb,
            min_replicas=1,
            max_replicas=settings.most_replicas if traffic else 1,
            latency_target_seconds=settings.latency_target_seconds,
            latency_quantile=settings.latency_quantile,
            current_replicas=1,
        )
        told = f"{look.requests:g} requests in {window:.0f} s, {source}; waiting in the predictor is part of their time"
        told += (
            "; memory: process_resident_memory_bytes" if memory else "; memory: BRAIN_L20_RESOURCES_REPLICA_MEMORY_GB"
        )
        told += "; cores: BRAIN_L20_RESOURCES_REPLICA_CPU"
        kept = "" if traffic else f"no requests in the last {window:.0f} s: nothing says how much it needs"
        return Measured(demand, Evidence(name=name, source=told, window_seconds=round(window, 1)), kept)


def read_predictor(text: str, now: float) -> Look:
    """Requests and seconds of all models of a predictor's process.

    Raises:
        ValueError: It is not a predictor's metrics.
    """
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    since = found.get("process_start_time_seconds")
    if since is None:
        raise ValueError("the metrics do not say when their process started")
    count, seconds = (found.get(f"predictor_request_seconds_{end}", 0.0) for end in ("count", "sum"))
    return Look(now, min(since, now), count, seconds, found.get("process_resident_memory_bytes"))


def read_gateway(registry: CollectorRegistry, service: str, started_at: float, now: float) -> Look:
    """Calls of this gateway to a service that were answered."""
    labels = {"service": service, "outcome": "ok"}
    count = registry.get_sample_value("brain_upstream_seconds_count", labels) or 0.0
    return Look(now, started_at, count, registry.get_sample_value("brain_upstream_seconds_sum", labels) or 0.0)


def machine() -> tuple[Capacity, Evidence]:
    """What this machine has: cores that this process may use, memory, graphics cards."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    cards = sum(1 for path in Path("/dev").glob("nvidia[0-9]*"))
    capacity = Capacity(cpu=float(len(os.sched_getaffinity(0))), gpu=float(cards), memory_gb=round(memory, 2))
    return capacity, Evidence(name="capacity", source="this machine: cores, memory and graphics cards of the gateway's")


def in_cluster(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a Kubernetes cluster."""
    return bool(environment.get("KUBERNETES_SERVICE_HOST"))
