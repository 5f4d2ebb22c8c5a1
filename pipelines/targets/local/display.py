"""Shows a person how a local run goes: live on a terminal, line by line elsewhere."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

_PLAIN_INTERVAL_SECONDS = 15.0


class _MarkColumn(SpinnerColumn):
    """A spinner until the step ended, then how it ended."""

    def render(self, task: Task) -> RenderableType:
        return Text.from_markup(task.fields["mark"]) if task.finished else super().render(task)


class Display:
    """One line a step: its name, how long it takes and the last thing it said."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            _MarkColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[said]}[/]"),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None
        self._started = 0.0
        self._spoke = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def began(self, step: str, log: Path) -> None:
        """A step starts."""
        self._started = self._spoke = time.monotonic()
        if self._live:
            self._task = self._progress.add_task(escape(step), total=1, said="", mark="")
        else:
            self._console.print(f"{step} …", markup=False, highlight=False)

    def advanced(self, step: str, message: str) -> None:
        """A step said how far it is."""
        if self._live and self._task is not None:
            self._progress.update(self._task, said=escape(message))
        elif time.monotonic() - self._spoke >= _PLAIN_INTERVAL_SECONDS:
            self._spoke = time.monotonic()
            self._console.print(f"  {step}: {message}", markup=False, highlight=False)

    def ended(self, step: str, succeeded: bool, reason: str) -> None:
        """A step ended."""
        if self._live and self._task is not None:
            mark = "[green]✓[/]" if succeeded else "[red]✗[/]"
            self._progress.update(self._task, completed=1, mark=mark)
            if not succeeded:
                self._progress.update(self._task, said=escape(reason))
        elif succeeded:
            elapsed = time.monotonic() - self._started
            self._console.print(f"✓ {step} in {elapsed:.1f} s", markup=False, highlight=False)
        else:
            self._console.print(f"✗ {step}: {reason}", markup=False, highlight=False)

    def retrying(self, step: str) -> None:
        """A failed step is tried again."""
        self._console.print(f"  {step} is tried again", markup=False, highlight=False)
