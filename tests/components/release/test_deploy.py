import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from components.release.deploy import pin_version
from components.release.errors import DeployError
from tests.support.loopback import Asked, answering
from tests.support.merge_patch import merged

PATH = "/apis/serving.kserve.io/v1beta1/namespaces/ai-orchestration/inferenceservices/crypto-forecast-1h"


class Cluster:
    """An API server's wire format for one InferenceService: it keeps the object, its version and what was sent."""

    def __init__(self) -> None:
        self.service: dict[str, Any] = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": "crypto-forecast-1h",
                "resourceVersion": "10",
                "annotations": {"serving.kserve.io/deploymentMode": "Standard", "kept": "yes"},
            },
            "spec": {
                "predictor": {
                    "minReplicas": 3,
                    "containers": [
                        {
                            "name": "kserve-container",
                            "image": "predictor",
                            "args": ["crypto"],
                            "env": [
                                {"name": "PREDICTOR_HOST", "value": "0.0.0.0"},
                                {"name": "PREDICTOR_MODEL_VERSION", "value": "2"},
                                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                            ],
                        },
                        {"name": "sidecar", "image": "proxy"},
                    ],
                }
            },
        }
        self.patches: list[dict[str, Any]] = []
        self.content_types: list[str] = []
        self.changed_by_others = 0
        self.refuse_with = 0

    def patch(self, body: dict[str, Any]) -> int:
        if self.refuse_with:
            return self.refuse_with
        if self.changed_by_others:
            self.changed_by_others -= 1
            self.service["metadata"]["resourceVersion"] = str(int(self.service["metadata"]["resourceVersion"]) + 1)
        if body["metadata"].get("resourceVersion") != self.service["metadata"]["resourceVersion"]:
            return 409
        self.patches.append(body)
        changed = merged(self.service, body)
        changed["metadata"]["resourceVersion"] = str(int(changed["metadata"]["resourceVersion"]) + 1)
        self.service = changed
        return 200


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[ApiClient]:
    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.method == "PATCH":
            cluster.content_types.append(asked.headers["Content-Type"])
            status = cluster.patch(json.loads(asked.body))
        else:
            status = 200 if (asked.method, asked.path) == ("GET", PATH) else 404
        return status, cluster.service if status == 200 else {"kind": "Status", "code": status}

    with answering(answer) as url:
        configuration = Configuration(host=url)
        configuration.retries = False
        with ApiClient(configuration) as api:
            yield api


@pytest.fixture
def pin(client: ApiClient) -> Callable[..., Any]:
    def run(version: str = "7", name: str = "crypto-forecast-1h", **more: Any) -> Any:
        return pin_version(client, namespace="ai-orchestration", name=name, version=version, **more)

    return run


def test_a_version_is_pinned_and_nothing_else_changes(cluster: Cluster, pin: Callable[..., Any]) -> None:
    before = copy.deepcopy(cluster.service)
    made = pin(reason="better beyond the interval")
    assert (made.version, made.previous, made.changed) == ("7", "2", True)
    assert cluster.content_types == ["application/merge-patch+json"]
    containers = cluster.service["spec"]["predictor"]["containers"]
    environment = {entry["name"]: entry for entry in containers[0]["env"]}
    assert environment["PREDICTOR_MODEL_VERSION"] == {"name": "PREDICTOR_MODEL_VERSION", "value": "7"}
    annotations = cluster.service["metadata"]["annotations"]
    assert annotations.pop("ai-orchestration/pinned-because") == "version 7: better beyond the interval"
    environment["PREDICTOR_MODEL_VERSION"]["value"] = "2"
    containers[0]["env"] = [environment[entry["name"]] for entry in before["spec"]["predictor"]["containers"][0]["env"]]
    cluster.service["metadata"]["resourceVersion"] = "10"
    assert cluster.service == before


def test_a_version_that_is_pinned_already_is_not_sent_again(cluster: Cluster, pin: Callable[..., Any]) -> None:
    assert pin("2").changed is False
    assert cluster.patches == []


def test_a_service_that_was_not_pinned_is_pinned(cluster: Cluster, pin: Callable[..., Any]) -> None:
    del cluster.service["spec"]["predictor"]["containers"][0]["env"]
    assert pin().previous == ""
    assert cluster.service["spec"]["predictor"]["containers"][0]["env"] == [
        {"name": "PREDICTOR_MODEL_VERSION", "value": "7"}
    ]


def test_of_several_models_in_one_process_the_one_that_is_deployed_is_pinned(
    cluster: Cluster, pin: Callable[..., Any]
) -> None:
    container = cluster.service["spec"]["predictor"]["containers"][0]
    container["env"] = [{"name": f"PREDICTOR_{name}_VERSION", "value": "1"} for name in ("CARD", "NETWORK")]
    assert pin("5", model="fraud-network").previous == "1"
    versions = {entry["name"]: entry["value"] for entry in cluster.service["spec"]["predictor"]["containers"][0]["env"]}
    assert versions == {"PREDICTOR_CARD_VERSION": "1", "PREDICTOR_NETWORK_VERSION": "5"}


def test_a_change_by_somebody_else_is_read_again_and_not_overwritten(cluster: Cluster, pin: Callable[..., Any]) -> None:
    cluster.changed_by_others = 2
    assert pin().changed
    assert len(cluster.patches) == 1
    cluster.changed_by_others = 100
    with pytest.raises(DeployError, match="changed by somebody else"):
        pin("8")


def test_a_canary_gets_its_share_where_kserve_runs_on_knative(cluster: Cluster, pin: Callable[..., Any]) -> None:
    cluster.service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "Knative"
    pin(canary_percent=10)
    assert cluster.service["spec"]["predictor"]["canaryTrafficPercent"] == 10
    pin(canary_percent=100)
    assert cluster.service["spec"]["predictor"]["canaryTrafficPercent"] == 100


def test_a_canary_is_refused_where_it_would_be_ignored(cluster: Cluster, pin: Callable[..., Any]) -> None:
    with pytest.raises(DeployError, match="Standard mode, where KServe splits no traffic"):
        pin(canary_percent=10)
    assert cluster.patches == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"version": "latest"}, "a version is a number, such as '3'; received 'latest'"),
        ({"canary_percent": 150}, "0 to 100 percent; received 150"),
        ({"name": "absent"}, "no InferenceService 'absent' in 'ai-orchestration'"),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    cluster: Cluster, pin: Callable[..., Any], arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeployError, match=said):
        pin(**arguments)
    assert cluster.patches == []


def test_a_service_without_the_predictors_container_is_refused(cluster: Cluster, pin: Callable[..., Any]) -> None:
    cluster.service["spec"]["predictor"]["containers"].pop(0)
    with pytest.raises(DeployError, match="no container 'kserve-container'"):
        pin()


def test_a_cluster_that_refuses_is_quoted(cluster: Cluster, pin: Callable[..., Any]) -> None:
    cluster.refuse_with = 403
    with pytest.raises(DeployError, match="403"):
        pin()
