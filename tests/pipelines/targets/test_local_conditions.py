"""A branch that the local runner cannot judge fails the run; kfp 2.17.0 alone would skip it and end well."""

import io
from typing import NamedTuple

import pytest
from kfp import dsl
from rich.console import Console

from components.step import step
from pipelines.targets import PipelineFailedError
from pipelines.targets.local import LocalTarget
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import pipeline
from runtime.settings import RuntimeSettings


@step
def judge() -> NamedTuple("Outputs", [("better", bool), ("why", str)]):  # type: ignore[valid-type]
    """Answer with more than one output."""
    return (True, "it is")


@step
def act() -> str:
    """Do what was decided."""
    return "done"


def test_a_condition_that_cannot_be_resolved_fails_the_run(runtime: RuntimeSettings) -> None:
    def wiring() -> None:
        """Act on a named output with a lone If."""
        with dsl.If(judge().outputs["better"] == True):  # noqa: E712
            act()

    target = LocalTarget(runtime, PipelineSettings(), Console(file=io.StringIO()))
    with pytest.raises(PipelineFailedError, match="could not judge"):
        target.run(pipeline(name="lone-if", cron="0 0 * * *")(wiring), {})
