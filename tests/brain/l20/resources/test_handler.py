"""The worker's handler against a real store, and a cluster's API over the wire."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from brain.l20.resources.cluster import Cluster, ClusterError
from brain.l20.resources.handler import AllocationHandler
from brain.l20.resources.request import Capacity, Order, ServiceDemand
from brain.l20.resources.settings import ResourcesSettings
from brain.runs import NewRun
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore

Open = Callable[[], Cluster]


def demand(name: str, **changes: Any) -> ServiceDemand:
    usual = {
        "name": name,
        "arrival_per_second": 60.0,
        "service_seconds": 0.05,
        "cpu": 1.0,
        "memory_gb": 1.0,
        "min_replicas": 1,
        "max_replicas": 8,
        "latency_target_seconds": 0.25,
        "current_replicas": 1,
    }
    return ServiceDemand(**{**usual, **changes})


def order(*services: ServiceDemand, **changes: Any) -> Order:
    given = {"capacity": Capacity(cpu=9, memory_gb=64), "services": list(services), "measured": False}
    return Order(**{**given, **changes})


@pytest.fixture
def cluster(kubernetes_api: tuple[Any, str]) -> Open:
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration(host=kubernetes_api[1])
    configuration.retries = 0
    return lambda: Cluster(ApiClient(configuration), "ai-orchestration")


def handled(asked: Order, open_cluster: Open | None = None) -> dict[str, Any]:
    handler = AllocationHandler(ResourcesSettings(), open_cluster)
    result = handler.solved(asked)
    return {**result, **handler.applied(asked, result)}


def test_the_answer_has_before_after_proof_and_what_one_more_would_bring() -> None:
    result = handled(order(demand("a", arrival_per_second=200.0, max_replicas=20), demand("b", weight=2.0)))
    assert (result["status"], result["gap"], result["value"]) == ("optimal", 0.0, result["bound"])
    before, after = result["before"], result["after"]
    assert after["weighted_throughput_per_second"] == pytest.approx(result["value"], abs=1e-5)
    assert after["weighted_throughput_per_second"] > before["weighted_throughput_per_second"]
    assert after["used"]["cpu"] == 9 and after["fits"]
    assert result["gain_of_one_more"]["cpu"]["weighted_throughput_per_second"] > 10
    assert result["gain_of_one_more"]["memory_gb"]["weighted_throughput_per_second"] == 0
    for one in after["services"]:
        assert one["latency_seconds"] <= 0.25 + 1e-6
    assert before["services"][0]["latency_at_demand_seconds"] is None, "one replica cannot take 200 a second"
    assert result["applied"] is False and result["application"]["reason"] == "it was not asked for"


def test_minimums_that_collide_are_an_answer() -> None:
    result = handled(order(demand("a", min_replicas=8), demand("b", min_replicas=4), apply=True))
    assert (result["status"], result["after"], result["applied"]) == ("infeasible", None, False)
    assert "add 3" in result["infeasible"]["collisions"][0]


def test_a_target_that_no_number_of_replicas_meets_is_named() -> None:
    result = handled(order(demand("slow", service_seconds=1.0)))
    assert "slow" in result["unreachable"][0]


def test_outside_a_cluster_nothing_is_applied_and_the_answer_says_why() -> None:
    result = handled(order(demand("a"), apply=True))
    assert result["applied"] is False
    assert "single process" in result["application"]["reason"]


def test_in_a_cluster_least_and_most_replicas_become_the_allocated_number(
    kubernetes_api: tuple[Any, str], cluster: Open
) -> None:
    state, _ = kubernetes_api
    asked = order(demand("crypto-forecast-1h"), demand("fraud-detection", arrival_per_second=1.0), apply=True)
    result = handled(asked, cluster)
    assert result["applied"] is True, result["application"]
    wanted = {one["name"]: one["replicas"] for one in result["after"]["services"]}
    for name, replicas in wanted.items():
        predictor = state.services[name]["spec"]["predictor"]
        assert (predictor["minReplicas"], predictor["maxReplicas"]) == (replicas, replicas)
        assert predictor["scaleMetric"] == "cpu" and predictor["containers"], "nothing else has changed"
    assert {kind for _, kind, _ in state.patches} == {"application/merge-patch+json"}
    assert result["application"]["changes"][0]["from"] == {"min_replicas": 3, "max_replicas": 15}
    state.patches.clear()
    assert handled(asked, cluster)["applied"] is True
    assert state.patches == [], "what is so already is not written again"


def test_what_the_cluster_refuses_and_what_it_lacks_is_told_service_by_service(
    kubernetes_api: tuple[Any, str], cluster: Open
) -> None:
    state, _ = kubernetes_api
    state.refuse["crypto-forecast-1h"] = 403
    services = [demand("crypto-forecast-1h"), demand("fraud-detection"), demand("unheard-of")]
    result = handled(order(*services, demand("idle", arrival_per_second=0.0, min_replicas=0), apply=True), cluster)
    errors = {one["name"]: one["error"] for one in result["application"]["changes"]}
    assert result["applied"] is False and result["application"]["reason"].startswith("3 of 4")
    assert "403" in errors["crypto-forecast-1h"] and "permission" in errors["crypto-forecast-1h"]
    assert errors["fraud-detection"] == ""
    assert "no InferenceService" in errors["unheard-of"]


def test_a_cluster_does_not_scale_to_nothing(cluster: Open) -> None:
    asked = order(demand("fraud-detection", arrival_per_second=0.0, min_replicas=0), apply=True)
    change = handled(asked, cluster)["application"]["changes"][0]
    assert change["replicas"] == 0 and "at least one" in change["error"]


def test_an_empty_request_takes_capacity_and_replicas_from_the_cluster(cluster: Open) -> None:
    services = [demand("crypto-forecast-1h", cpu=7.0), demand("fraud-detection", min_replicas=1, max_replicas=1)]
    asked = order(*services, capacity=None, measured=True, kept={"fraud-detection": "no requests"})
    result = handled(asked, cluster)
    assert result["capacity"] == {"cpu": 7.92, "gpu": 1.0, "memory_gb": pytest.approx(8 * 1.073741824 + 4.096)}
    after = {one["name"]: one["replicas"] for one in result["after"]["services"]}
    before = {one["name"]: one["replicas"] for one in result["before"]["services"]}
    assert before == {"crypto-forecast-1h": 3, "fraud-detection": 2}
    assert after["fraud-detection"] == 2, "nobody asked it, so it stays as it is"
    assert result["after"]["used"]["cpu"] == after["crypto-forecast-1h"] + 2, "a replica takes what it requests"
    assert {one["name"] for one in result["evidence"]} == {"services", "capacity"}


def test_a_cluster_that_shows_no_nodes_leaves_this_machine(kubernetes_api: tuple[Any, str], cluster: Open) -> None:
    kubernetes_api[0].refuse["nodes"] = 403
    result = handled(order(demand("a"), capacity=None), cluster)
    sources = {one["name"]: one["source"] for one in result["evidence"]}
    assert "403" in sources["cluster"] and "this machine" in sources["capacity"]


def test_a_cluster_that_is_gone_is_named(cluster: Open, kubernetes_api: tuple[Any, str]) -> None:
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration(host="http://127.0.0.1:9")
    configuration.retries = 0
    with pytest.raises(ClusterError, match="did not answer"):
        Cluster(ApiClient(configuration), "ai-orchestration").services()


async def test_a_run_is_carried_out_step_by_step_and_one_that_is_cancelled_applies_nothing(
    store: SqlRunStore, kubernetes_api: tuple[Any, str], cluster: Open
) -> None:
    class Held:
        """A run under a lease, as the worker hands it out; commits go to the real store."""

        def __init__(self, cancelling: bool) -> None:
            asked = order(demand("crypto-forecast-1h"), apply=True)
            store.create(NewRun(new_run_id(), "allocation", "ann", asked.model_dump(mode="json"), "d"))
            self.claimed = store.claim("w", 30, ["allocation"])
            self.stop, self.cancelling = asyncio.Event(), cancelling
            if cancelling:
                self.stop.set()

        run = property(lambda self: self.claimed.run)
        tasks = property(lambda self: self.claimed.tasks)

        async def commit(self, changes: Any = (), *, progress: Any = None, event: Any = None) -> Any:
            return store.commit(self.claimed, changes, progress=progress, event=event)

    state, _ = kubernetes_api
    handler = AllocationHandler(ResourcesSettings(), cluster)
    cancelled = await handler(Held(cancelling=True))
    assert cancelled is not None and cancelled.state == "cancelled" and state.patches == []
    held = Held(cancelling=False)
    done = await handler(held)
    assert done is not None and done.state == "succeeded" and len(state.patches) == 1
    events = [one.event for one in store.events(held.run.id)]
    assert events == ["queued", "claimed", "progress", "progress"]
