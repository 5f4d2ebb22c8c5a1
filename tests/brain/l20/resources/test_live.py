import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, Histogram

from brain.clients.breaker import Breaker
from brain.clients.http import HttpClient
from brain.clients.upstream import Upstream
from brain.l20.resources.live import Demand, machine, read_gateway, read_predictor
from brain.l20.resources.settings import ResourcesSettings
from runtime.metrics import exposition
from tests.support.loopback import answering


class Predictor:
    """The metrics of a predictor's process, written by the library that it uses."""

    def __init__(self, started_at: float) -> None:
        self.registry = CollectorRegistry()
        Gauge("process_start_time_seconds", "Start.", registry=self.registry).set(started_at)
        Gauge("process_resident_memory_bytes", "Memory.", registry=self.registry).set(750e6)
        self.seconds = Histogram("predictor_request_seconds", "Seconds.", ("model", "protocol"), registry=self.registry)

    def text(self) -> str:
        return exposition(self.registry)[0].decode()

    def answered(self, model: str, times: int, seconds: float) -> None:
        for _ in range(times):
            self.seconds.labels(model, "v2").observe(seconds)


def test_all_models_of_a_process_count_together() -> None:
    predictor = Predictor(1000.0)
    predictor.answered("a", 30, 0.1)
    predictor.answered("b", 10, 0.3)
    look = read_predictor(predictor.text(), 1100.0)
    assert (look.requests, look.since, look.at) == (40, 1000.0, 1100.0)
    assert look.seconds == pytest.approx(6.0)
    assert look.memory_bytes == 750e6


def test_metrics_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="when their process started"):
        read_predictor("# nothing here\n", 1.0)


def test_the_gateway_counts_answered_calls_of_that_service_alone() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("brain_upstream_seconds", "Seconds.", ("service", "outcome"), registry=registry)
    seconds.labels("x", "ok").observe(0.2)
    seconds.labels("x", "failed").observe(9.0)
    seconds.labels("y", "ok").observe(5.0)
    look = read_gateway(registry, "x", 10.0, 20.0)
    assert (look.requests, look.seconds, look.since) == (1, 0.2, 10.0)


def test_this_machine_has_cores_and_memory() -> None:
    capacity, evidence = machine()
    assert capacity.cpu >= 1 and capacity.memory_gb > 0.1
    assert "this machine" in evidence.source


class Metered:
    """An upstream whose metrics are a `Predictor`'s, over a real connection."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self.upstream = Upstream("x", url, http, attempts=1, breaker=Breaker(5, 1.0))


@pytest.fixture
def served() -> Iterator[tuple[Predictor, str]]:
    predictor = Predictor(time.time() - 100)
    with answering(lambda asked: (200, predictor.text().encode()) if asked.method == "GET" else (501, b"")) as url:
        yield predictor, url


async def measured(demand: Demand, url: str) -> Any:
    http = HttpClient(connect_seconds=1, connections=2)
    try:
        return await demand.measure("svc", Metered(url, http).upstream)
    finally:
        await http.aclose()


async def test_demand_is_measured_since_the_predictor_started(served: Any) -> None:
    predictor, url = served
    predictor.answered("a", 200, 0.04)
    found = await measured(Demand(ResourcesSettings(), CollectorRegistry(), 0.0), url)
    assert found.demand.arrival_per_second == pytest.approx(2.0, rel=0.05)
    assert found.demand.service_seconds == pytest.approx(0.04)
    assert (found.demand.memory_gb, found.kept) == (0.75, "")
    assert found.evidence.window_seconds == pytest.approx(100, abs=3)
    assert "predictor_request_seconds" in found.evidence.source


async def test_a_later_look_counts_from_the_earlier_one(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, url = served
    demand = Demand(ResourcesSettings(), CollectorRegistry(), 0.0)
    predictor.answered("a", 5000, 0.04)
    await measured(demand, url)
    begun = time.time()
    monkeypatch.setattr("brain.l20.resources.live.time.time", lambda: begun + 60)
    predictor.answered("a", 60, 0.1)
    found = await measured(demand, url)
    assert found.demand.arrival_per_second == pytest.approx(1.0, rel=0.05)
    assert found.demand.service_seconds == pytest.approx(0.1)


async def test_without_traffic_a_service_is_kept_and_the_answer_says_so(served: Any) -> None:
    found = await measured(Demand(ResourcesSettings(), CollectorRegistry(), 0.0), served[1])
    assert found.kept.startswith("no requests in the last 10")
    assert (found.demand.min_replicas, found.demand.max_replicas) == (1, 1)


async def test_a_predictor_that_does_not_answer_is_measured_by_the_gateways_calls() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("brain_upstream_seconds", "Seconds.", ("service", "outcome"), registry=registry)
    for _ in range(30):
        seconds.labels("x", "ok").observe(0.2)
    found = await measured(Demand(ResourcesSettings(), registry, time.time() - 60), "http://127.0.0.1:9")
    assert found.demand.arrival_per_second == pytest.approx(0.5, rel=0.1)
    assert "brain_upstream_seconds of this gateway" in found.evidence.source
