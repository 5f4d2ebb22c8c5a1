"""Checks on a compiled graph that no loader makes: everything that is referred to exists and is given.

A back-end parses a specification whose task reads from a task that is not there, and fails hours later.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp.pipeline_spec.pipeline_spec_pb2 import (
        ComponentSpec,
        DagOutputsSpec,
        DagSpec,
        PipelineSpec,
        PipelineTaskSpec,
        TaskInputsSpec,
    )


class DanglingReferenceError(ValueError):
    """The graph refers to a task, output, input, component or executor that does not exist; `problems` names each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("the compiled pipeline is not whole: " + "; ".join(problems))


def parse_specification(document: Mapping[str, object]) -> "PipelineSpec":
    """Read a compiled document strictly; `google.protobuf.json_format.ParseError` names an unknown field."""
    from google.protobuf import json_format
    from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

    specification: PipelineSpec = json_format.ParseDict(dict(document), PipelineSpec())
    return specification


def check_graph(specification: "PipelineSpec") -> None:
    """Check the root graph and every nested one.

    Raises:
        DanglingReferenceError: At least one reference has nothing at its other end, or a required input is not given.
    """
    problems = list(_Graphs(specification).problems())
    if problems:
        raise DanglingReferenceError(tuple(problems))


class _Graphs:
    def __init__(self, specification: "PipelineSpec") -> None:
        self._root = specification.root
        # A plain dict, since looking up a missing key in a protobuf map adds it.
        self._components = dict(specification.components)
        self._executors = specification.deployment_spec["executors"] if specification.deployment_spec else {}

    def problems(self) -> Iterator[str]:
        yield from self._dag("root", self._root)
        for name, component in self._components.items():
            if component.WhichOneof("implementation") == "dag":
                yield from self._dag(name, component)
            elif component.executor_label not in self._executors:
                yield f"{name} has no executor {component.executor_label!r}"

    def _dag(self, place: str, owner: "ComponentSpec") -> Iterator[str]:
        for name, task in owner.dag.tasks.items():
            where = f"{place}/{name}"
            if task.component_ref.name not in self._components:
                yield f"{where} runs component {task.component_ref.name!r}, which does not exist"
                continue
            yield from (
                f"{where} waits for task {other!r}, which does not exist"
                for other in task.dependent_tasks
                if other not in owner.dag.tasks
            )
            yield from self._inputs(where, task.inputs, owner)
            yield from self._required(where, task)
        yield from self._outputs(place, owner.dag.outputs, owner.dag)

    def _inputs(self, where: str, inputs: "TaskInputsSpec", owner: "ComponentSpec") -> Iterator[str]:
        given = owner.input_definitions
        for name, value in inputs.parameters.items():
            kind = value.WhichOneof("kind")
            if kind == "task_output_parameter":
                source = value.task_output_parameter
                yield from self._producer(
                    f"{where}.{name}", source.producer_task, source.output_parameter_key, owner.dag
                )
            elif kind == "component_input_parameter" and value.component_input_parameter not in given.parameters:
                yield f"{where}.{name} reads input {value.component_input_parameter!r}, which its graph does not have"
        for name, artifact in inputs.artifacts.items():
            if artifact.WhichOneof("kind") == "task_output_artifact":
                origin = artifact.task_output_artifact
                yield from self._producer(
                    f"{where}.{name}", origin.producer_task, origin.output_artifact_key, owner.dag
                )
            elif artifact.component_input_artifact not in given.artifacts:
                yield f"{where}.{name} reads input {artifact.component_input_artifact!r}, which its graph does not have"

    def _producer(self, where: str, task: str, output: str, dag: "DagSpec") -> Iterator[str]:
        if task not in dag.tasks:
            yield f"{where} reads from task {task!r}, which does not exist"
            return
        component = self._components.get(dag.tasks[task].component_ref.name)
        if component is not None and output not in {
            *component.output_definitions.parameters,
            *component.output_definitions.artifacts,
        }:
            yield f"{where} reads {output!r} of task {task!r}, which has no such output"

    def _required(self, where: str, task: "PipelineTaskSpec") -> Iterator[str]:
        wanted = self._components[task.component_ref.name].input_definitions
        loop = {task.parameter_iterator.item_input, task.artifact_iterator.item_input}
        given = {*task.inputs.parameters, *task.inputs.artifacts, *loop}
        needed = {
            **{name: spec.is_optional for name, spec in wanted.parameters.items()},
            **{name: spec.is_optional for name, spec in wanted.artifacts.items()},
        }
        for name, optional in needed.items():
            if not optional and name not in given:
                yield f"{where} is not given its input {name!r}"

    def _outputs(self, place: str, outputs: "DagOutputsSpec", dag: "DagSpec") -> Iterator[str]:
        for name, parameter in outputs.parameters.items():
            chosen = [parameter.value_from_parameter, *parameter.value_from_oneof.parameter_selectors]
            for selector in chosen:
                if selector.producer_subtask:
                    yield from self._producer(
                        f"{place} output {name!r}", selector.producer_subtask, selector.output_parameter_key, dag
                    )
        for name, artifact in outputs.artifacts.items():
            for source in artifact.artifact_selectors:
                yield from self._producer(
                    f"{place} output {name!r}", source.producer_subtask, source.output_artifact_key, dag
                )
