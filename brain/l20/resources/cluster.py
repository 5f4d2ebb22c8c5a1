"""The cluster: what its nodes have, what predictors' replicas take, and how many there are to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from brain.l20.resources.problem import Amounts

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
_NAMES = {"cpu": "cpu", "nvidia.com/gpu": "gpu", "memory": "memory_gb"}
_TIMEOUT_SECONDS = 10.0
_Json = Mapping[str, Any]


class ClusterError(RuntimeError):
    """The cluster refused or did not answer; the message says what was asked."""


@dataclass(frozen=True)
class Deployed:
    """An InferenceService: its replicas' bounds, and what one requests."""

    name: str
    least: int
    most: int
    needs: Amounts


class ReplicaSetter(Protocol):
    """Whoever can change how many replicas there are."""

    def capacity(self) -> Amounts:
        """What all nodes that take pods can give."""
        ...

    def services(self) -> Mapping[str, Deployed]:
        """By name."""
        ...

    def set_replicas(self, name: str, replicas: int) -> None:
        """Make it this many; raise `ClusterError` where that is refused."""
        ...


class Cluster:
    """KServe's InferenceServices of a namespace.

    Args:
        client: Of the official Kubernetes client.
        namespace: Where the services are.
    """

    def __init__(self, client: "ApiClient", namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def capacity(self) -> Amounts:
        """Allocatable of the nodes that take new pods; what other pods occupy is not taken off."""
        from kubernetes.client import CoreV1Api

        nodes = self._asked(
            "list nodes", lambda: CoreV1Api(self._client).list_node(_request_timeout=_TIMEOUT_SECONDS).items
        )
        return _sum(
            [node.status.allocatable or {} for node in cast(Sequence[Any], nodes) if not node.spec.unschedulable]
        )

    def services(self) -> Mapping[str, Deployed]:
        """Every InferenceService of the namespace."""
        from kubernetes.client import CustomObjectsApi

        found = self._asked(
            "list inferenceservices",
            lambda: CustomObjectsApi(self._client).list_namespaced_custom_object(
                GROUP, VERSION, self._namespace, PLURAL, _request_timeout=_TIMEOUT_SECONDS
            ),
        )
        return {one["metadata"]["name"]: _deployed(one) for one in cast(_Json, found).get("items", [])}

    def set_replicas(self, name: str, replicas: int) -> None:
        """Set least and most replicas to one number, so that no autoscaler moves them.

        The typed client cannot send a merge patch, and custom resources know no strategic one.

        Raises:
            ClusterError: There is no such service, or the cluster refuses.
        """
        patch = {"spec": {"predictor": {"minReplicas": replicas, "maxReplicas": replicas}}}
        self._asked(
            f"patch inferenceservice {name!r}",
            lambda: self._client.call_api(
                f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}/{{name}}",
                "PATCH",
                {"namespace": self._namespace, "name": name},
                [],
                {"Accept": "application/json", "Content-Type": "application/merge-patch+json"},
                body=patch,
                response_type="object",
                auth_settings=["BearerToken"],
                _request_timeout=_TIMEOUT_SECONDS,
            ),
        )

    def _asked(self, what: str, call: Any) -> object:  # noqa: ANN401 - the client has no types
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return cast(object, call())
        except ApiException as error:
            hint = "; the worker's service account needs that permission" if error.status == 403 else ""
            raise ClusterError(f"the cluster refused to {what}: {error.status} {error.reason}{hint}") from error
        except HTTPError as error:
            raise ClusterError(f"the cluster did not answer when asked to {what}: {type(error).__name__}") from error


def open_cluster(namespace: str) -> Cluster:
    """The cluster that this process runs in, or that kubeconfig names.

    Raises:
        ClusterError: There is neither, or the client is not installed.
    """
    from components.release.deploy import cluster_client
    from components.release.errors import DeployError

    try:
        return Cluster(cluster_client(), namespace)
    except DeployError as error:
        raise ClusterError(str(error)) from error
    except ImportError as error:
        raise ClusterError("the package 'kubernetes' is not installed; install the extra 'worker'") from error


def _deployed(service: _Json) -> Deployed:
    predictor = service["spec"]["predictor"]
    least = int(predictor.get("minReplicas", 1))
    most = int(predictor.get("maxReplicas", 0)) or max(1, least)
    requests = [one.get("resources", {}).get("requests", {}) for one in predictor.get("containers") or []]
    return Deployed(service["metadata"]["name"], least, most, _sum(requests))


def _sum(quantities: Sequence[Mapping[str, str]]) -> Amounts:
    from kubernetes.utils.quantity import parse_quantity

    total = {"cpu": 0.0, "gpu": 0.0, "memory_gb": 0.0}
    for one in quantities:
        for kubernetes_name, name in _NAMES.items():
            if kubernetes_name in one:
                amount = float(parse_quantity(one[kubernetes_name]))
                total[name] += amount / 1e9 if name == "memory_gb" else amount
    return total
