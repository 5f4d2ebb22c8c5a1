"""How a pipeline is defined, found, checked and compiled; knows no target and no family."""

from pipelines.wiring.compile import CompiledPipeline, TaskBinder, compile_pipeline
from pipelines.wiring.definition import Pipeline, on_accelerator, pipeline
from pipelines.wiring.discovery import UnknownPipelineError, load_pipeline, pipeline_names
from pipelines.wiring.graph import DanglingReferenceError, check_graph
from pipelines.wiring.parameters import ParameterError, parse_parameters

__all__ = [
    "CompiledPipeline",
    "DanglingReferenceError",
    "ParameterError",
    "Pipeline",
    "TaskBinder",
    "UnknownPipelineError",
    "check_graph",
    "compile_pipeline",
    "load_pipeline",
    "on_accelerator",
    "parse_parameters",
    "pipeline",
    "pipeline_names",
]
