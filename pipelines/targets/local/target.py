"""The local target: compile with this machine's addresses, run here, follow to the end."""

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.parent_watch import PARENT_VARIABLE
from components.pipeline_run import OWNER_VARIABLE
from pipelines.targets.local.display import Display
from pipelines.targets.local.execution import execute
from pipelines.targets.local.journal import Journal
from pipelines.targets.local.record import RunRecord, now
from pipelines.targets.port import PipelineFailedError, RunHandle, TargetError
from pipelines.targets.settings import PipelineSettings
from pipelines.wiring import CompiledPipeline, Pipeline, compile_pipeline
from pipelines.wiring.parameters import ParameterValue
from runtime.process_lock import LockHeldError, process_lock
from runtime.settings import REPOSITORY_ROOT, RuntimeSettings

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

_LOCAL_RETRIES = 1


class PipelineBusyError(TargetError):
    """Another process runs the same pipeline on this machine; the message says which."""


@dataclass(frozen=True)
class LocalBinder:
    """Tells a step where the services of this machine are, and to end when its run is killed.

    The database's address may hold a password, so it is inherited rather than written into a package.
    """

    runtime: RuntimeSettings
    steps: Mapping[str, str] = field(default_factory=dict)
    """Variables of one run, beside the addresses."""

    def bind(self, task: "PipelineTask", *, accelerated: bool) -> None:
        """Set the environment; a step uses whatever accelerator this machine has."""
        for name, value in self._environment().items():
            task.set_env_variable(name, value)
        retry = task._task_spec.retry_policy  # noqa: SLF001 - the task offers a setter and no getter
        if retry is not None and retry.max_retry_count:
            task.set_retry(num_retries=_LOCAL_RETRIES, backoff_duration="2s")

    def _environment(self) -> dict[str, str]:
        return {
            "AIO_STATE_DIR": str(self.runtime.state_dir.resolve()),
            "AIO_MLFLOW_TRACKING_URI": self.runtime.mlflow_tracking_uri,
            "AIO_OBJECT_STORE_URL": self.runtime.resolved_object_store_url,
            "AIO_FEAST_PROFILE": self.runtime.feast_profile,
            "PYTHONPATH": str(REPOSITORY_ROOT),
            "PYTHONUNBUFFERED": "1",
            **self.steps,
        }


class LocalTarget:
    """Runs pipelines in subprocesses; state lies in `pipelines/` of the state folder."""

    def __init__(
        self,
        runtime: RuntimeSettings | None = None,
        settings: PipelineSettings | None = None,
        console: Console | None = None,
    ) -> None:
        self._runtime = runtime or RuntimeSettings()
        self._settings = settings or PipelineSettings()
        self._console = console or Console(file=sys.stdout)

    def folder(self, name: str) -> Path:
        """Where a pipeline's runs, lock and last record lie."""
        return self._runtime.state_dir.resolve() / "pipelines" / name

    def compile(self, pipeline: Pipeline) -> CompiledPipeline:
        """Compile for this machine."""
        return compile_pipeline(pipeline, LocalBinder(self._runtime))

    def run(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue]) -> RunHandle:
        """Run to the end, with progress on the console.

        Raises:
            PipelineBusyError: The same pipeline runs already.
            PipelineFailedError: A step failed; the message names it, its reason and its log.
        """
        try:
            with process_lock(self.folder(pipeline.name) / "run.lock", f"pipeline {pipeline.name}"):
                return self._run(pipeline, arguments)
        except LockHeldError as error:
            raise PipelineBusyError(f"{pipeline.name} is running already: {error}") from error

    def schedule(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue], cron: str) -> RunHandle:
        """Run after every tick of `cron`, one at a time, until stopped by a signal."""
        from pipelines.targets.local.scheduler import Scheduler

        return Scheduler(pipeline, arguments, cron, self.folder(pipeline.name), self._settings).run_forever()

    def _run(self, pipeline: Pipeline, arguments: Mapping[str, ParameterValue]) -> RunHandle:
        folder = self.folder(pipeline.name)
        self._prune(folder / "runs")
        started = now()
        run_id = started.strftime("%Y%m%dT%H%M%SZ")
        place = _new_folder(folder / "runs", run_id)
        record = RunRecord(
            id=place.name,
            pipeline=pipeline.name,
            state="running",
            pid=os.getpid(),
            parameters=dict(arguments),
            folder=str(place),
            started_at=started,
        )
        journal = Journal(folder / "last_run.json", record)
        steps = {
            PARENT_VARIABLE: str(os.getpid()),
            OWNER_VARIABLE: f"{platform.node()}:{folder}",
            "TMPDIR": str(place / "scratch"),
        }
        compiled = compile_pipeline(pipeline, LocalBinder(self._runtime, steps))
        compiled.write(place / "pipeline.json")
        with Display(self._console) as display:
            ended = execute(compiled, arguments, place, journal, display)
        if ended.state != "succeeded":
            raise PipelineFailedError(_explain(ended), ended.failed_step)
        return RunHandle(id=ended.id, state=ended.state, link=ended.folder)

    def _prune(self, runs: Path) -> None:
        old = sorted(path for path in runs.glob("*") if path.is_dir())
        for path in old[: max(0, len(old) - self._settings.keep_runs + 1)]:
            shutil.rmtree(path, ignore_errors=True)


def _new_folder(runs: Path, name: str) -> Path:
    """A folder that did not exist; two runs in one second get different names."""
    runs.mkdir(parents=True, exist_ok=True)
    for count in range(100):
        place = runs / (f"{name}-{count}" if count else name)
        try:
            place.mkdir()
        except FileExistsError:
            continue
        return place
    raise TargetError(f"{runs} holds a hundred runs of this second; remove some")


def _explain(record: RunRecord) -> str:
    if not record.failed_step:
        return f"{record.pipeline} failed: {record.reason or 'no reason was given'}; its logs lie in {record.folder}"
    log = next((step.log for step in reversed(record.steps) if step.name == record.failed_step), record.folder)
    return f"{record.pipeline} failed in {record.failed_step}: {record.reason}; log: {log}"
