"""One run through the local runner, with everything it prints sent to files and to listeners."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from pipelines.targets.local.conditions import unresolved_conditions
from pipelines.targets.local.display import Display
from pipelines.targets.local.journal import Journal
from pipelines.targets.local.output import RunnerOutput
from pipelines.targets.local.record import RunRecord
from pipelines.wiring import CompiledPipeline
from pipelines.wiring.parameters import ParameterValue

_STOPPED_EXIT_CODE = 143


class _Listeners:
    """Tells the record first, then the person."""

    def __init__(self, journal: Journal, display: Display) -> None:
        self._journal = journal
        self._display = display

    def began(self, step: str, log: Path) -> None:
        self._journal.began(step, log)
        self._display.began(step, log)

    def advanced(self, step: str, message: str) -> None:
        self._display.advanced(step, message)

    def ended(self, step: str, succeeded: bool, reason: str) -> None:
        self._journal.ended(step, succeeded, reason)
        self._display.ended(step, succeeded, reason)

    def retrying(self, step: str) -> None:
        self._display.retrying(step)


def execute(
    compiled: CompiledPipeline,
    arguments: Mapping[str, ParameterValue],
    place: Path,
    journal: Journal,
    display: Display,
) -> RunRecord:
    """Run a compiled pipeline in this process, its steps in subprocesses; returns the finished record.

    `place` receives `artifacts/`, `logs/` and, while the run lasts, `scratch/`.
    """
    from kfp import local

    scratch = place / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    output = RunnerOutput(place / "logs", _Listeners(journal, display), _names(compiled))
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(place / "artifacts"),
        workspace_root=str(scratch / "workspace"),
        raise_on_error=True,
    )
    try:
        with (
            _stoppable(journal),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
            unresolved_conditions() as unresolved,
        ):
            compiled.component(**arguments)
    except RuntimeError as error:
        return journal.finish("failed", str(error))
    except KeyboardInterrupt:
        journal.finish("stopped", "interrupted at the keyboard")
        raise
    finally:
        output.close()
        shutil.rmtree(scratch, ignore_errors=True)
    if unresolved:
        return journal.finish("failed", f"the local runner skipped a branch that it could not judge: {unresolved[0]}")
    return journal.finish("succeeded")


class _Names:
    """The runner prints component names; people know tasks."""

    def __init__(self, compiled: CompiledPipeline) -> None:
        self._names: dict[str, str] = {}
        graphs = [compiled.specification.root, *compiled.specification.components.values()]
        for graph in graphs:
            for name, task in graph.dag.tasks.items():
                self._names[task.component_ref.name.removeprefix("comp-")] = task.task_info.name or name

    def __call__(self, component: str) -> str:
        return self._names.get(component, component)


def _names(compiled: CompiledPipeline) -> _Names:
    return _Names(compiled)


@contextlib.contextmanager
def _stoppable(journal: Journal) -> Iterator[None]:
    """Let SIGTERM end the run at once; its steps end with this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Unwinding would wait for the running step, however long it works.
        journal.finish("stopped", "ended by a signal")
        os._exit(_STOPPED_EXIT_CODE)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
