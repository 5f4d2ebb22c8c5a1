import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from kfp import dsl

from components.step import step
from gcp.settings import GcpSettings
from gcp.vertex import VertexTarget
from pipelines.targets import TargetError, load_target
from pipelines.targets.binding import image_reference
from pipelines.wiring import Pipeline, check_graph, on_accelerator, pipeline
from pipelines.wiring.graph import parse_specification
from runtime.settings import RuntimeSettings
from tests.support.loopback import Asked, answering

PLACE = "projects/p1/locations/us-central1"
EMPTY = {"@type": "type.googleapis.com/google.protobuf.Empty"}


@step
def learn(names: list[str], model: dsl.Output[dsl.Model]) -> float:
    """Learn nothing."""
    return float(len(names))


@step
def judge(model: dsl.Input[dsl.Model], loss: float) -> bool:
    """Judge it."""
    return loss < 1


def _wiring(names: list[str], horizon: int = 24) -> None:
    """Learn and judge."""
    learned = on_accelerator(learn(names=names)).set_cpu_limit("4").set_memory_limit("16G").set_retry(2)
    judge(model=learned.outputs["model"], loss=learned.outputs["Output"])


@pytest.fixture(scope="module")
def small() -> Pipeline:
    return pipeline(name="small", cron="0 4 * * 0")(_wiring)


@dataclass
class Api:
    """Speaks the wire format of Vertex AI's pipeline jobs and schedules, and keeps what it was sent."""

    url: str = ""
    refuse: tuple[int, str] | None = None
    schedules: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "/storage/" in path or path.startswith("/b/"):
            return 200, {"name": "bucket", "location": "US-CENTRAL1", "projectNumber": "1"}
        if self.refuse and method == "POST":
            return self.refuse[0], {"error": {"code": self.refuse[0], "message": self.refuse[1], "status": "X"}}
        if method == "POST" and "/pipelineJobs" in path:
            return 200, {**body, "name": f"{PLACE}/pipelineJobs/j1", "state": "PIPELINE_STATE_PENDING"}
        if method == "POST" and path.endswith("/schedules"):
            return 200, {**body, "name": f"{PLACE}/schedules/s2", "state": "ACTIVE"}
        if method == "DELETE":
            return 200, {"name": f"{PLACE}/operations/o1", "done": True, "response": EMPTY}
        if "/operations/" in path:
            return 200, {"name": f"{PLACE}/operations/o1", "done": True, "response": EMPTY}
        return (200, {"schedules": self.schedules}) if method == "GET" else (501, {})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    recorded = Api()

    def answer(asked: Asked) -> tuple[int, dict[str, Any]]:
        body = json.loads(asked.body) if asked.body else {}
        path = unquote(asked.path)
        recorded.requests.append((asked.method, path, body))
        return recorded.answer(asked.method, path.split("?")[0], body)

    with answering(answer) as url:
        recorded.url = url
        # The client asks Cloud Storage for the staging bucket before it submits.
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", recorded.url)
        # … and Google's resource manager, which has no address of its own to set, whose bucket it is.
        monkeypatch.setattr(
            "google.cloud.aiplatform.utils.resource_manager_utils.get_project_number", lambda _project: "1"
        )
        yield recorded


def runtime(**changes: Any) -> RuntimeSettings:
    reachable = {
        "mlflow_tracking_uri": "https://mlflow.example.org",
        "object_store_url": "gs://bucket/objects",
        "database_url": "postgresql://user:word@10.0.0.5/release",
        "feast_profile": "production",
    }
    return RuntimeSettings(**{**reachable, **changes})


def settings(**changes: Any) -> GcpSettings:
    common = {"project": "p1", "staging_bucket": "gs://bucket/runs", "image": "example.org/p1/trainer"}
    return GcpSettings(**{**common, **changes})


def test_every_step_carries_plain_addresses_and_no_kubernetes_part(small: Pipeline) -> None:
    compiled = VertexTarget(settings(), runtime()).compile(small)

    executors = compiled.document["deploymentSpec"]["executors"]
    assert compiled.platform == {} and len(executors) == 2
    for executor in executors.values():
        environment = {one["name"]: one["value"] for one in executor["container"]["env"]}
        assert environment["AIO_MLFLOW_TRACKING_URI"] == "https://mlflow.example.org"
        assert environment["AIO_OBJECT_STORE_URL"] == "gs://bucket/objects"
        assert environment["AIO_DATABASE_URL"] == "postgresql://user:word@10.0.0.5/release"
        assert environment["AIO_FEAST_PROFILE"] == "production"
        assert executor["container"]["image"] == image_reference("example.org/p1/trainer")


def test_a_marked_step_gets_the_accelerator_by_vertex_s_name(small: Pipeline) -> None:
    target = VertexTarget(settings(accelerator="NVIDIA_TESLA_T4"), runtime())

    executors = target.compile(small).document["deploymentSpec"]["executors"]

    resources = executors["exec-learn"]["container"]["resources"]
    assert (resources["accelerator"]["type"], resources["accelerator"]["count"]) == ("NVIDIA_TESLA_T4", "1")
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("4", "16G")
    assert "resources" not in executors["exec-judge"]["container"]


def test_addresses_that_only_this_machine_knows_are_refused_by_name(small: Pipeline) -> None:
    local = RuntimeSettings()

    with pytest.raises(TargetError, match="AIO_MLFLOW_TRACKING_URI, AIO_OBJECT_STORE_URL, AIO_DATABASE_URL, GCP_IMAGE"):
        VertexTarget(settings(image=""), local).compile(small)


def test_a_job_is_submitted_through_the_real_client(small: Pipeline, api: Api) -> None:
    target = VertexTarget(settings(api_endpoint=api.url, service_account="runner@p1"), runtime())

    handle = target.run(small, {"names": ["BTC", "ETH"], "horizon": 6})

    ((_, path, body),) = [one for one in api.requests if one[0] == "POST"]
    assert path.startswith(f"/v1/{PLACE}/pipelineJobs?pipelineJobId=small-") or path.startswith(f"/v1/{PLACE}/")
    assert (handle.id, handle.state) == (f"{PLACE}/pipelineJobs/j1", "submitted")
    assert body["serviceAccount"] == "runner@p1"
    assert body["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/runs"
    assert body["runtimeConfig"]["parameterValues"] == {"names": ["BTC", "ETH"], "horizon": 6.0}
    check_graph(parse_specification(body["pipelineSpec"]))


def test_scheduling_again_replaces_the_schedule(small: Pipeline, api: Api) -> None:
    api.schedules = [{"name": f"{PLACE}/schedules/s1", "displayName": "small", "createTime": "2026-01-01T00:00:00Z"}]

    handle = VertexTarget(settings(api_endpoint=api.url), runtime()).schedule(small, {"names": ["BTC"]}, "0 4 * * 0")

    ((_, _, body),) = [one for one in api.requests if one[0] == "POST"]
    assert (handle.id, handle.state) == (f"{PLACE}/schedules/s2", "scheduled")
    assert body["cron"] == "TZ=UTC 0 4 * * 0"
    assert body["maxConcurrentRunCount"] == "1"
    job = body["createPipelineJobRequest"]["pipelineJob"]
    assert job["pipelineSpec"]["pipelineInfo"]["name"] == "small"
    assert [one[1].split("?")[0] for one in api.requests if one[0] == "DELETE"] == [f"/v1/{PLACE}/schedules/s1"]


@pytest.mark.parametrize(("status", "said"), [(403, "caller lacks aiplatform.pipelineJobs.create"), (400, "bad spec")])
def test_a_refusal_is_told_in_the_api_s_own_words(small: Pipeline, api: Api, status: int, said: str) -> None:
    api.refuse = (status, said)

    with pytest.raises(TargetError, match=f"refused small with {status}.*{said}"):
        VertexTarget(settings(api_endpoint=api.url), runtime()).run(small, {"names": ["BTC"]})


def test_a_server_that_is_down_is_told_with_its_address(small: Pipeline, api: Api, free_port: Any) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(TargetError, match=f"did not answer at {endpoint}"):
        VertexTarget(settings(api_endpoint=endpoint), runtime()).run(small, {"names": ["BTC"]})


def test_missing_settings_are_named(small: Pipeline) -> None:
    with pytest.raises(TargetError, match="GCP_PROJECT and GCP_STAGING_BUCKET"):
        VertexTarget(settings(project="", staging_bucket=""), runtime()).run(small, {"names": ["BTC"]})


def test_the_target_is_found_by_its_name() -> None:
    assert isinstance(load_target("vertex"), VertexTarget)
