"""The target port: a place that pipelines are compiled for, run on and scheduled on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipelines.wiring import CompiledPipeline, Pipeline
from pipelines.wiring.parameters import ParameterValue


class TargetError(RuntimeError):
    """The target could not do what was asked; the message says what to change."""


class PipelineFailedError(TargetError):
    """A run ended without success; `step` is the step that failed, empty where the target did not say."""

    def __init__(self, message: str, step: str = "") -> None:
        super().__init__(message)
        self.step = step


@dataclass(frozen=True)
class RunHandle:
    """A run or a schedule that a target accepted; `link` is where a person follows it: an address or a folder."""

    id: str
    state: str
    link: str


class Target(Protocol):
    """What `python -m pipelines` needs of a target. Making one must be cheap: no connection, no heavy import."""

    def compile(self, pipeline: Pipeline) -> CompiledPipeline:
        """Compile with this target's image, addresses and accelerator; `TargetError` if a setting is missing."""
        ...

    def run(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue]) -> RunHandle:
        """Start a run: locally until it ends, elsewhere until it is accepted.

        Raises:
            TargetError: The target refused or was not reached.
            PipelineFailedError: The run was followed to its end and failed.
        """
        ...

    def schedule(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue], cron: str) -> RunHandle:
        """Run again and again; `cron` has five fields, UTC. Locally this call returns when it is stopped."""
        ...
