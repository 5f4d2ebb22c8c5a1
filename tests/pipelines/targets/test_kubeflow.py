import socket
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from pipelines.targets import TargetError
from pipelines.targets.binding import image_reference
from pipelines.targets.kubeflow import KubeflowTarget
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import Pipeline

if TYPE_CHECKING:
    from tests.pipelines.conftest import RecordingServer

API = "/apis/v2beta1"


@pytest.fixture
def api(recording_server: "RecordingServer") -> "RecordingServer":
    recording_server.answers |= {
        ("GET", f"{API}/healthz"): (200, {"multi_user": False}),
        ("GET", f"{API}/experiments"): (200, {"experiments": [{"experiment_id": "e1", "display_name": "ours"}]}),
        ("POST", f"{API}/runs"): (200, {"run_id": "r1", "display_name": "toy"}),
        ("GET", f"{API}/recurringruns"): (
            200,
            {"recurringRuns": [{"recurring_run_id": "old", "display_name": "toy"}]},
        ),
        ("POST", f"{API}/recurringruns"): (200, {"recurring_run_id": "new"}),
        ("DELETE", f"{API}/recurringruns/old"): (200, {}),
    }
    return recording_server


def target(api: "RecordingServer", **settings: object) -> KubeflowTarget:
    return KubeflowTarget(PipelineSettings(kubeflow_host=api.url, experiment="ours", **settings))


def test_every_step_reads_its_addresses_from_the_cluster_and_runs_in_the_image_of_this_code(toy: Pipeline) -> None:
    settings = PipelineSettings(image="registry.local/trainer", accelerator="nvidia.com/gpu")

    compiled = KubeflowTarget(settings).compile(toy)

    executors = compiled.specification.deployment_spec["executors"]
    kubernetes = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(kubernetes) == set(executors.keys()) and len(kubernetes) == 4
    for name, platform in kubernetes.items():
        config, choices = platform["configMapAsEnv"]
        secret, credentials = platform["secretAsEnv"]
        assert config["configMapName"] == "ai-orchestration-config"
        assert {"AIO_MLFLOW_TRACKING_URI", "AIO_OBJECT_STORE_URL"} <= {key["envVar"] for key in config["keyToEnv"]}
        assert (secret["secretName"], secret["keyToEnv"][0]["envVar"]) == (
            "ai-orchestration-secrets",
            "AIO_DATABASE_URL",
        )
        assert credentials["optional"] is True and choices["optional"] is True
        assert not secret.get("optional") and not config.get("optional")
        assert {"FEATURES_REDIS", "FEATURES_REGISTRY_URL"} <= {key["envVar"] for key in credentials["keyToEnv"]}
        container = executors[name]["container"]
        assert container["image"] == image_reference("registry.local/trainer")
        assert "pip install" not in str(container["command"])
        assert not [one for one in container["env"] if "URL" in one["name"] or "URI" in one["name"]]


def test_only_a_marked_step_gets_the_accelerator_and_only_when_one_is_set(toy: Pipeline) -> None:
    def resources(settings: PipelineSettings) -> dict[str, dict[str, object]]:
        document = KubeflowTarget(settings).compile(toy).document
        executors = document["deploymentSpec"]["executors"]
        return {name: one["container"].get("resources", {}) for name, one in executors.items()}

    with_gpu = resources(PipelineSettings(accelerator="nvidia.com/gpu", accelerator_count=2))
    without = resources(PipelineSettings())

    assert with_gpu["exec-use"]["accelerator"] == {
        "count": "2",
        "type": "nvidia.com/gpu",
        "resourceCount": "2",
        "resourceType": "nvidia.com/gpu",
    }
    assert with_gpu["exec-use"]["resourceCpuLimit"] == "2"
    assert "accelerator" not in with_gpu["exec-make"]
    assert "accelerator" not in without["exec-use"]


def test_a_run_is_submitted_through_the_real_client(toy: Pipeline, api: "RecordingServer") -> None:
    handle = target(api, kubeflow_token=SecretStr("t0k")).run(toy, {"names": ["BTC", "ETH"], "fail": False})

    (request,) = api.sent("POST", f"{API}/runs")
    assert (handle.id, handle.state) == ("r1", "submitted")
    assert handle.link == f"{api.url}/#/runs/details/r1"
    assert request.headers["authorization"] == "Bearer t0k"
    assert request.body["experiment_id"] == "e1"
    assert request.body["runtime_config"]["parameters"] == {"names": ["BTC", "ETH"], "fail": False}
    specification = request.body["pipeline_spec"]
    assert specification["pipeline_spec"]["pipelineInfo"]["name"] == "toy"
    assert "kubernetes" in specification["platform_spec"]["platforms"]
    # A single-user API refuses a namespace.
    assert all("namespace" not in one.path or "ai-orchestration" not in one.path for one in api.requests)


def test_a_many_user_api_is_told_the_namespace(toy: Pipeline, api: "RecordingServer") -> None:
    api.answers["GET", f"{API}/healthz"] = (200, {"multi_user": True})

    target(api).run(toy, {})

    assert any("ai-orchestration" in one.path for one in api.sent("GET", f"{API}/experiments"))


def test_scheduling_again_replaces_the_recurring_run(toy: Pipeline, api: "RecordingServer") -> None:
    handle = target(api).schedule(toy, {"text": "go"}, "5 * * * *")

    (request,) = api.sent("POST", f"{API}/recurringruns")
    assert (handle.id, handle.state) == ("new", "scheduled")
    assert request.body["trigger"]["cron_schedule"]["cron"] == "0 5 * * * *"
    assert (request.body["max_concurrency"], request.body["no_catchup"]) == (1, True)
    assert [one.path for one in api.requests if one.method == "DELETE"] == [f"{API}/recurringruns/old"]


def test_a_refusal_is_told_in_the_api_s_own_words(toy: Pipeline, api: "RecordingServer") -> None:
    api.answers["POST", f"{API}/runs"] = (400, {"error_message": "parameter names is not of type list"})

    with pytest.raises(TargetError, match="refused with 400.*parameter names is not of type list"):
        target(api).run(toy, {})


def test_a_missing_permission_names_the_token_setting(toy: Pipeline, api: "RecordingServer") -> None:
    api.answers["GET", f"{API}/healthz"] = (401, {"message": "no"})

    with pytest.raises(TargetError, match="401.*PIPELINES_KUBEFLOW_TOKEN"):
        target(api).run(toy, {})


def test_a_server_that_is_down_is_told_with_its_address(toy: Pipeline) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(TargetError, match=f"{host} did not answer.*refused"):
        KubeflowTarget(PipelineSettings(kubeflow_host=host)).run(toy, {})


def test_no_address_names_the_setting(toy: Pipeline) -> None:
    with pytest.raises(TargetError, match="PIPELINES_KUBEFLOW_HOST"):
        KubeflowTarget(PipelineSettings()).run(toy, {})
