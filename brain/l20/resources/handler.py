"""The worker's part of a run of kind `allocation`: measure the cluster, solve, check, apply."""

import asyncio
from collections.abc import Callable

from brain.l20.resources import report
from brain.l20.resources.check import check
from brain.l20.resources.cluster import ClusterError, Deployed, ReplicaSetter, open_cluster
from brain.l20.resources.live import in_cluster, machine
from brain.l20.resources.problem import Problem, Replicas, collisions
from brain.l20.resources.request import Capacity, Evidence, Order, ServiceDemand
from brain.l20.resources.settings import ResourcesSettings
from brain.l20.resources.solve import gains, solve, table
from brain.runs import Progress
from brain.worker.port import Held, Outcome

NOT_LOCAL = (
    "this platform runs outside a cluster: each predictor is a single process that nothing multiplies or balances; "
    "deploy it to Kubernetes with KServe, where the worker sets the replicas"
)


class AllocationHandler:
    """Carries out runs of kind `allocation`.

    Args:
        settings: Limits and what stands in for what is left out.
        cluster: Opens the cluster; None where there is none.
    """

    def __init__(self, settings: ResourcesSettings, cluster: Callable[[], ReplicaSetter] | None) -> None:
        self._settings = settings
        self._cluster = cluster

    async def __call__(self, held: Held) -> Outcome | None:
        """See `brain.worker.port.Handler`; minimums that do not fit are an answer, and the run succeeds."""
        order = Order.model_validate(held.run.request)
        await held.commit(progress=Progress(0, 2, "steps", "solving"))
        result = await asyncio.to_thread(self.solved, order)
        if held.stop.is_set():  # nothing has been changed yet; whoever takes the run next solves it again
            return Outcome("cancelled", "cancelled") if held.cancelling else None
        if order.apply:
            await held.commit(progress=Progress(1, 2, "steps", "applying"))
        applied = await asyncio.to_thread(self.applied, order, result)
        return Outcome("succeeded", result={**result, **applied}, progress=Progress(2, 2, "steps", "done"))

    def solved(self, order: Order) -> report.Document:
        """The allocation without its application."""
        order = self._completed(order)
        problem = order.problem(self._settings.most_utilisation)
        collide = collisions(problem)
        rows = table(problem)
        found = solve(problem, rows, self._settings.solver_seconds)
        after, more = None, None
        if found.replicas is not None and found.value is not None:
            served = {one.name: rows[one.name][found.replicas[one.name] - one.least] for one in problem.services}
            check(problem, found.replicas, served)
            after = report.state(problem, found.replicas)
            more = report.gains_document(gains(problem, rows, found.value, self._settings.solver_seconds))
        return {
            **report.proof(found),
            "capacity": dict(problem.capacity),
            "before": report.state(problem, _current(problem)),
            "after": after,
            "gain_of_one_more": more,
            "infeasible": {"collisions": list(collide)} if collide else None,
            "unreachable": _unreachable(problem),
            "kept": order.kept,
            "evidence": [one.model_dump() for one in order.evidence],
        }

    def applied(self, order: Order, result: report.Document) -> report.Document:
        """Change the replicas where that is asked for and can be done; says what was changed and why not the rest."""
        if not order.apply:
            return _unapplied("it was not asked for")
        after = result["after"]
        if not isinstance(after, dict):
            return _unapplied("there is no allocation to apply")
        if self._cluster is None:
            return _unapplied(NOT_LOCAL)
        try:
            cluster = self._cluster()
            deployed = cluster.services()
        except ClusterError as error:
            return _unapplied(str(error))
        changes = [
            _change(cluster, deployed.get(one["name"]), one["name"], one["replicas"]) for one in after["services"]
        ]
        refused = [one for one in changes if one["error"]]
        reason = f"{len(refused)} of {len(changes)} services were not changed" if refused else ""
        return {"applied": not refused, "application": {"reason": reason, "changes": changes}}

    def _completed(self, order: Order) -> Order:
        """What the cluster knows, or else this machine, in the places that were left to them."""
        evidence = list(order.evidence)
        services, capacity = order.services, order.capacity
        cluster: ReplicaSetter | None = None
        if self._cluster is not None and (capacity is None or order.measured):
            try:
                cluster = self._cluster()
                if order.measured:
                    deployed = cluster.services()
                    services = [_as_deployed(one, deployed.get(one.name), order) for one in services]
                    source = "replicas (least replicas as now) and requests of a replica: the InferenceServices"
                    evidence.append(Evidence(name="services", source=source))
                if capacity is None:
                    capacity = Capacity(**cluster.capacity())
                    source = "allocatable of the cluster's nodes; what other pods occupy is not taken off"
                    evidence.append(Evidence(name="capacity", source=source))
            except ClusterError as error:
                evidence.append(Evidence(name="cluster", source=f"not asked further: {error}"))
        if capacity is None:
            capacity, source_of = machine()
            evidence.append(source_of)
        return order.model_copy(update={"capacity": capacity, "services": services, "evidence": evidence})


def build_handler(settings: ResourcesSettings | None = None) -> AllocationHandler:
    """The handler of kind `allocation`, with the settings of the environment where none are given."""
    chosen = settings or ResourcesSettings()
    return AllocationHandler(chosen, (lambda: open_cluster(chosen.namespace)) if in_cluster() else None)


def _current(problem: Problem) -> Replicas:
    return {one.name: one.least if one.current is None else one.current for one in problem.services}


def _unreachable(problem: Problem) -> list[str]:
    """Services whose target even an idle replica misses."""
    return [
        f"{one.name}: a request that never waits takes longer than {one.target_seconds:g} s too often "
        f"for its {one.quantile:g} quantile; allow more, or make the service faster"
        for one in problem.services
        if one.target_seconds is not None
        and one.arrival_per_second > 0
        and report.serves(one, max(1, one.most), problem) <= 0
    ]


def _as_deployed(one: ServiceDemand, deployed: Deployed | None, order: Order) -> ServiceDemand:
    if deployed is None:
        return one
    kept = one.name in order.kept
    least = deployed.least if kept else one.min_replicas
    return one.model_copy(
        update={
            "current_replicas": deployed.least,
            "min_replicas": least,
            "max_replicas": deployed.least if kept else max(one.max_replicas, least),
            **deployed.needs,
        }
    )


def _unapplied(reason: str) -> report.Document:
    return {"applied": False, "application": {"reason": reason, "changes": []}}


def _change(cluster: ReplicaSetter, deployed: Deployed | None, name: str, replicas: int) -> report.Document:
    change: report.Document = {"name": name, "replicas": replicas, "error": ""}
    if deployed is None:
        return {**change, "error": f"there is no InferenceService {name!r} in the namespace"}
    change |= {"from": {"min_replicas": deployed.least, "max_replicas": deployed.most}}
    if replicas < 1:
        return {**change, "error": "a horizontal autoscaler keeps at least one replica; delete the service instead"}
    if (deployed.least, deployed.most) == (replicas, replicas):
        return change
    try:
        cluster.set_replicas(name, replicas)
    except ClusterError as error:
        return {**change, "error": str(error)}
    return change
