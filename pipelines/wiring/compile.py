"""Tracing a pipeline for one target and checking what came out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from pipelines.wiring.definition import Pipeline, accelerated_tasks
from pipelines.wiring.graph import check_graph, parse_specification

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask
    from kfp.dsl.graph_component import GraphComponent
    from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec


class TaskBinder(Protocol):
    """What a target adds to every task at compile time."""

    def bind(self, task: "PipelineTask", *, accelerated: bool) -> None:
        """Give one task its image and the addresses of the services; with `accelerated`, an accelerator if set."""
        ...


@dataclass(frozen=True)
class CompiledPipeline:
    """A pipeline for one target.

    `document` is the pipeline specification and `platform` the Kubernetes part (empty where there is none), both as
    plain data; `specification` is the same as the protobuf message that every back-end reads.
    """

    name: str
    document: Mapping[str, object]
    platform: Mapping[str, object]
    specification: "PipelineSpec"
    component: "GraphComponent"
    yaml: str

    def write(self, path: Path) -> Path:
        """Write the package that the back-end takes: JSON for a `.json` name, else YAML with the platform part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document, indent=2) + "\n" if path.suffix == ".json" else self.yaml)
        return path


def compile_pipeline(pipeline: Pipeline, binder: TaskBinder) -> CompiledPipeline:
    """Trace a pipeline's wiring for one target.

    Raises:
        DanglingReferenceError: The graph refers to something that is not in it.
    """
    import yaml
    from kfp import compiler

    component = _trace(pipeline, binder)
    with TemporaryDirectory(prefix="pipeline-") as folder:
        package = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(component, str(package))
        text = package.read_text()
    documents = list(yaml.safe_load_all(text))
    specification = parse_specification(documents[0])
    check_graph(specification)
    platform = documents[1] if len(documents) > 1 else {}
    return CompiledPipeline(pipeline.name, documents[0], platform, specification, component, text)


def _trace(pipeline: Pipeline, binder: TaskBinder) -> "GraphComponent":
    from kfp import dsl
    from kfp.dsl.pipeline_context import Pipeline as Tracing

    @wraps(pipeline.wiring)
    def bound(*arguments: object, **named: object) -> None:
        accelerated: list[object] = []
        token = accelerated_tasks.set(accelerated)
        try:
            pipeline.wiring(*arguments, **named)
        finally:
            accelerated_tasks.reset(token)
        for task in Tracing.get_default_pipeline().tasks.values():
            binder.bind(task, accelerated=any(task is one for one in accelerated))

    return dsl.pipeline(name=pipeline.name, description=pipeline.summary)(bound)
