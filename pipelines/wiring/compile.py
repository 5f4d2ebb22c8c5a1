"""Tracing a pipeline for one target and checking what came out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
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

    def write(self, path: Path) -> Path:
        """Write the package that the back-end takes: JSON for a `.json` name, else YAML with the platform part."""
        from kfp import compiler

        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text(json.dumps(self.document, indent=2) + "\n")
        else:
            compiler.Compiler().compile(self.component, str(path))
        return path


def compile_pipeline(pipeline: Pipeline, binder: TaskBinder) -> CompiledPipeline:
    """Trace a pipeline's wiring for one target.

    Raises:
        DanglingReferenceError: The graph refers to something that is not in it.
    """
    from google.protobuf import json_format

    component = _trace(pipeline, binder)
    document = json_format.MessageToDict(component.pipeline_spec)
    platform = json_format.MessageToDict(component.platform_spec)
    specification = parse_specification(document)
    check_graph(specification)
    return CompiledPipeline(pipeline.name, document, platform, specification, component)


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
