"""Every pipeline of the repository, compiled for every target and looked into."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from gcp.settings import GcpSettings
from gcp.vertex import VertexTarget
from pipelines.targets import Target
from pipelines.targets.binding import image_reference
from pipelines.targets.kubeflow import KubeflowTarget
from pipelines.targets.local import LocalTarget
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import CompiledPipeline, check_graph, load_pipeline, pipeline_names
from runtime.settings import RuntimeSettings

FORECAST_STEPS = {
    "build-features",
    "close-run",
    "deploy",
    "evaluate",
    "fail-validation",
    "fetch-champion",
    "fit-baseline",
    "gate",
    "ingest-candles",
    "keep-champion",
    "materialise-features",
    "promote",
    "read-training-set",
    "register-candidates",
    "train-forecaster",
    "train-forecaster-2",
    "validate-candles",
}
TARGETS: Mapping[str, Target] = {
    "local": LocalTarget(RuntimeSettings()),
    "kubeflow": KubeflowTarget(PipelineSettings(accelerator="nvidia.com/gpu")),
    "vertex": VertexTarget(
        GcpSettings(image="example.org/p1/trainer", accelerator="NVIDIA_TESLA_T4"),
        RuntimeSettings(
            mlflow_tracking_uri="https://mlflow.example.org",
            object_store_url="gs://bucket/objects",
            database_url="postgresql://user:word@10.0.0.5/release",
        ),
    ),
}


@pytest.fixture(scope="module", params=[(name, target) for name in pipeline_names() for target in TARGETS], ids=str)
def compiled(request: pytest.FixtureRequest) -> tuple[str, CompiledPipeline]:
    name, target = request.param
    return target, compile_for(target, name)


def compile_for(target: str, name: str) -> CompiledPipeline:
    """Compile on a thread of its own: kfp walks the whole call stack for every setting, and pytest's is deep."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(TARGETS[target].compile, load_pipeline(name)).result()


def executors(pipeline: CompiledPipeline) -> dict[str, Any]:
    return {
        name.removeprefix("exec-"): one["container"]
        for name, one in pipeline.document["deploymentSpec"]["executors"].items()  # type: ignore[index]
    }


def tasks(pipeline: CompiledPipeline) -> dict[str, Any]:
    """Every task of every graph by the name of its component."""
    graphs = [pipeline.document["root"], *pipeline.document["components"].values()]  # type: ignore[index, union-attr]
    found = [task for graph in graphs for task in graph.get("dag", {}).get("tasks", {}).values()]
    return {task["componentRef"]["name"].removeprefix("comp-"): task for task in found}


def test_it_parses_as_a_specification_and_nothing_dangles(compiled: tuple[str, CompiledPipeline]) -> None:
    _, pipeline = compiled

    check_graph(json_format.ParseDict(pipeline.document, PipelineSpec()))


def test_every_step_has_its_image_its_addresses_and_no_install_step(compiled: tuple[str, CompiledPipeline]) -> None:
    target, pipeline = compiled
    for name, container in executors(pipeline).items():
        environment = {one["name"] for one in container["env"]}
        assert "pip install" not in str(container["command"]), name
        if target == "kubeflow":
            assert container["image"] == image_reference("ai-orchestration/trainer"), name
            assert "AIO_MLFLOW_TRACKING_URI" not in environment, name
        else:
            assert {"AIO_MLFLOW_TRACKING_URI", "AIO_OBJECT_STORE_URL", "AIO_FEAST_PROFILE"} <= environment, name
        if target == "vertex":
            assert container["image"] == image_reference("example.org/p1/trainer"), name
            assert "AIO_DATABASE_URL" in environment, name
    kubernetes = pipeline.platform.get("platforms", {}).get("kubernetes", {})  # type: ignore[union-attr]
    bound = kubernetes.get("deploymentSpec", {}).get("executors", {})
    assert set(bound) == ({f"exec-{name}" for name in executors(pipeline)} if target == "kubeflow" else set())


def test_every_step_has_limits_and_what_can_pass_again_is_tried_again(
    compiled: tuple[str, CompiledPipeline],
) -> None:
    target, pipeline = compiled
    found = tasks(pipeline)
    for name, container in executors(pipeline).items():
        resources = container["resources"]
        assert resources["resourceCpuLimit"] and resources["resourceMemoryLimit"], name
        retries = found[name].get("retryPolicy", {}).get("maxRetryCount", 0)
        assert retries == 0 if name == "fail-validation" else retries >= 1, name
        assert retries <= 1 or target != "local", name


def test_only_training_gets_the_accelerator(compiled: tuple[str, CompiledPipeline]) -> None:
    target, pipeline = compiled
    accelerated = {
        name: container["resources"]["accelerator"]["resourceType"]
        for name, container in executors(pipeline).items()
        if "accelerator" in container.get("resources", {})
    }
    training = {name for name in executors(pipeline) if name.startswith("train-")}
    expected = {"local": None, "kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_T4"}[target]
    assert accelerated == ({name: expected for name in training} if expected else {})


def test_nothing_is_trained_before_validation_and_nothing_promoted_before_the_gate() -> None:
    pipeline = compile_for("local", "crypto-forecast")
    assert set(executors(pipeline)) == FORECAST_STEPS

    outer, inner = (graph_with(pipeline, name) for name in ("train-forecaster", "promote"))
    assert conditions(pipeline, outer) == [
        "inputs.parameter_values['pipelinechannel--validate-candles-passed'] == true"
    ]
    assert conditions(pipeline, inner) == ["inputs.parameter_values['pipelinechannel--gate-promote'] == true"]
    promote = tasks(pipeline)["promote"]
    assert "materialise-features" in promote["dependentTasks"]
    assert tasks(pipeline)["close-run"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_a_refresh_trains_nothing() -> None:
    pipeline = compile_for("local", "crypto-refresh")

    steps = {
        "build-features",
        "close-run",
        "fail-validation",
        "ingest-candles",
        "materialise-features",
        "validate-candles",
    }
    assert set(executors(pipeline)) == steps


def graph_with(pipeline: CompiledPipeline, task: str) -> str:
    components: Mapping[str, Any] = pipeline.document["components"]  # type: ignore[assignment]
    (found,) = [name for name, one in components.items() if task in one.get("dag", {}).get("tasks", {})]
    return found


def conditions(pipeline: CompiledPipeline, component: str) -> list[str]:
    found = tasks(pipeline)[component.removeprefix("comp-")]
    return [found["triggerPolicy"]["condition"]]
