"""A small real pipeline with artifacts, a condition, an exit task and a step that can be told to fail."""

from kfp import dsl

from components.step import step
from pipelines.wiring import on_accelerator


@step
def make(text: str, made: dsl.Output[dsl.Dataset]) -> bool:
    """Write a text and tell whether it is `go`."""
    from pathlib import Path

    from components.step_run import report_progress, step_process

    with step_process("make"):
        report_progress("half way")
        Path(made.path).write_text(text)
        return text == "go"


@step
def use(made: dsl.Input[dsl.Dataset], names: list[str], fail: bool, seconds: float) -> str:
    """Read the text back, slowly if told to, and fail if told to."""
    import os
    import time
    from pathlib import Path

    from components.step_run import step_process

    with step_process("use"):
        Path(made.path + ".pid").write_text(str(os.getpid()))
        time.sleep(seconds)
        if fail:
            raise ValueError("it was told\nto fail")
        return f"{Path(made.path).read_text()} {names} {os.environ['AIO_MLFLOW_TRACKING_URI']}"


@step
def close(status: dsl.PipelineTaskFinalStatus, job: str) -> str:
    """Say how the run ended."""
    return f"{job} {status.state}"


def toy_wiring(text: str = "go", names: list[str] = ["BTC"], fail: bool = False, seconds: float = 0.0) -> None:  # noqa: B006
    """Make a text and use it."""
    with dsl.ExitHandler(close(job=dsl.PIPELINE_JOB_ID_PLACEHOLDER)):
        made = make(text=text)
        with dsl.If(made.outputs["Output"] == True):  # noqa: E712
            used = use(made=made.outputs["made"], names=names, fail=fail, seconds=seconds)
            on_accelerator(used).set_cpu_limit("2").set_memory_limit("1G").set_display_name("Use it").set_retry(3)
        with dsl.Else():
            use(made=made.outputs["made"], names=names, fail=True, seconds=0.0).set_display_name("Refuse it")
