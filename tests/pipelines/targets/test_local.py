import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.targets import PipelineFailedError, load_target
from pipelines.targets.local import LocalTarget, read_last_run
from pipelines.targets.local.target import PipelineBusyError
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import Pipeline
from runtime.process_lock import process_lock
from runtime.settings import REPOSITORY_ROOT, RuntimeSettings

Wait = Callable[..., None]
RUN_TOY = Path(__file__).parent.parent / "run_toy.py"


def target(runtime: RuntimeSettings, said: io.StringIO | None = None, **settings: int) -> LocalTarget:
    console = Console(file=said or io.StringIO(), width=200)
    return LocalTarget(runtime, PipelineSettings(**settings), console)


def outputs(folder: str, step: str) -> dict[str, object]:
    (file,) = Path(folder, "artifacts").glob(f"toy-*/{step}/executor_output.json")
    values: dict[str, object] = json.loads(file.read_text())["parameterValues"]
    return values


def test_a_run_records_its_steps_keeps_its_artifacts_and_tells_steps_where_services_are(
    toy: Pipeline, runtime: RuntimeSettings
) -> None:
    said = io.StringIO()

    handle = target(runtime, said).run(toy, {"names": ["BTC", "ETH"]})

    record = read_last_run(runtime.state_dir / "pipelines" / "toy" / "last_run.json")
    assert record is not None
    assert (record.id, record.state, record.reason) == (handle.id, "succeeded", "")
    assert [(step.name, step.state) for step in record.steps] == [
        ("make", "succeeded"),
        ("Use it", "succeeded"),
        ("close", "succeeded"),
    ]
    assert all(step.seconds and step.seconds > 0 for step in record.steps)
    assert outputs(handle.link, "use") == {"Output": "go ['BTC', 'ETH'] http://127.0.0.1:9"}
    assert str(outputs(handle.link, "close")["Output"]).endswith("SUCCEEDED")
    assert "progress: half way" in Path(record.steps[0].log).read_text()
    assert "✓ Use it" in said.getvalue() and "Streamed logs" not in said.getvalue()
    assert (Path(handle.link) / "pipeline.json").is_file()
    assert not (Path(handle.link) / "scratch").exists()


def test_a_failing_step_is_tried_again_and_then_named_with_its_reason_and_log(
    toy: Pipeline, runtime: RuntimeSettings
) -> None:
    with pytest.raises(
        PipelineFailedError, match="toy failed in Use it: ValueError: it was told to fail; log: "
    ) as raised:
        target(runtime).run(toy, {"fail": True})

    record = read_last_run(runtime.state_dir / "pipelines" / "toy" / "last_run.json")
    assert record is not None
    assert [step.name for step in record.steps] == ["make", "Use it", "Use it", "close"]
    assert (record.state, record.failed_step, raised.value.step) == ("failed", "Use it", "Use it")
    assert "Traceback" in Path(str(raised.value).rpartition("log: ")[2]).read_text()
    assert str(outputs(record.folder, "close")["Output"]).endswith("FAILED")


def test_the_other_branch_runs_when_the_condition_does_not_hold(toy: Pipeline, runtime: RuntimeSettings) -> None:
    with pytest.raises(PipelineFailedError, match="Refuse it"):
        target(runtime).run(toy, {"text": "stop"})


def test_a_second_run_of_the_same_pipeline_is_told_who_runs_it(toy: Pipeline, runtime: RuntimeSettings) -> None:
    local = target(runtime)

    with (
        process_lock(local.folder("toy") / "run.lock", "pipeline toy"),
        pytest.raises(PipelineBusyError, match=f"toy is running already: process {os.getpid()} "),
    ):
        local.run(toy, {})


def test_only_the_newest_runs_stay_on_disk(toy: Pipeline, runtime: RuntimeSettings) -> None:
    local = target(runtime, keep_runs=2)
    runs = local.folder("toy") / "runs"
    for name in ("20200101T000000Z", "20200102T000000Z", "20200103T000000Z"):
        (runs / name / "artifacts").mkdir(parents=True)

    handle = local.run(toy, {})

    assert {path.name for path in runs.iterdir()} == {"20200103T000000Z", handle.id}


def start(runtime: RuntimeSettings, seconds: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(RUN_TOY), str(runtime.state_dir), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT)}
    return subprocess.Popen(command, env=environment, cwd=REPOSITORY_ROOT, stdout=subprocess.DEVNULL)


def step_pid(runtime: RuntimeSettings) -> int:
    """The process of the step `use`, once it works; 0 before."""
    found = list(runtime.state_dir.glob("pipelines/toy/runs/*/artifacts/toy-*/make/made.pid"))
    return int(found[0].read_text() or 0) if found else 0


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_run_killed_with_9_takes_its_step_with_it_and_the_next_run_goes_through(
    toy: Pipeline, runtime: RuntimeSettings, wait_until: Wait
) -> None:
    killed = start(runtime, seconds=600)
    wait_until(lambda: step_pid(runtime) > 0, 120, "the step's start")
    step = step_pid(runtime)

    killed.send_signal(signal.SIGKILL)
    killed.wait(10)

    wait_until(lambda: not alive(step), 20, "the end of the orphaned step")
    record = read_last_run(runtime.state_dir / "pipelines" / "toy" / "last_run.json")
    assert record is not None and record.state == "died"
    assert target(runtime).run(toy, {}).state == "succeeded"


def test_sigterm_ends_a_run_at_once_and_is_written_down(runtime: RuntimeSettings, wait_until: Wait) -> None:
    running = start(runtime, seconds=600)
    wait_until(lambda: step_pid(runtime) > 0, 120, "the step's start")
    step = step_pid(runtime)

    running.send_signal(signal.SIGTERM)

    assert running.wait(10) == 143
    wait_until(lambda: not alive(step), 20, "the end of the step")
    record = read_last_run(runtime.state_dir / "pipelines" / "toy" / "last_run.json")
    assert record is not None and (record.state, record.reason) == ("stopped", "ended by a signal")


def test_no_run_yet_is_no_record(tmp_path: Path) -> None:
    assert read_last_run(tmp_path / "last_run.json") is None


def test_the_target_is_found_by_its_name() -> None:
    assert isinstance(load_target("local"), LocalTarget)
