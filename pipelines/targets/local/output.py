"""Reads what the local runner prints and splits it into steps.

The runner prints what a step prints indented by four spaces and its own words without indent, which is how a step
cannot be taken for the runner.
"""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

from components.step_run import FAILURE_MARK, PROGRESS_MARK

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BEGIN = re.compile(r"Executing task '(?P<task>[^']+)'")
_END = re.compile(r"Task '(?P<task>[^']+)' finished with status (?P<status>SUCCESS|FAILURE)")
_RETRY = re.compile(r"Task (?P<task>\S+) failed \(attempt (?P<attempt>\d+)/(?P<of>\d+)\)")
_UNSAFE = re.compile(r"[^a-z0-9]+")
_INDENT = "    "
_NOISE = ("[KFP Executor",)


class StepListener(Protocol):
    """Is told what happens; called in order, from one thread."""

    def began(self, step: str, log: Path) -> None:
        """A step starts; its output goes to `log`."""
        ...

    def advanced(self, step: str, message: str) -> None:
        """A step says how far it is."""
        ...

    def ended(self, step: str, succeeded: bool, reason: str) -> None:
        """A step ended; `reason` is its own last word where it failed."""
        ...

    def retrying(self, step: str) -> None:
        """A failed step is about to be tried again."""
        ...


class RunnerOutput(io.TextIOBase):
    """Stands in for standard output while the runner works.

    Args:
        folder: Where the logs go: `runner.log`, and `NN-step.log` for every step.
        listener: Who is told.
        names: Component name, as the runner prints it, to the step's name.
    """

    def __init__(self, folder: Path, listener: StepListener, names: Callable[[str], str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._listener = listener
        self._names = names
        self._pending = ""
        self._runner: TextIO = (folder / "runner.log").open("a")
        self._log: TextIO | None = None
        self._step = ""
        self._reason = ""
        self._last = ""
        self._count = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Take text in pieces of any size."""
        self._pending += text
        *lines, self._pending = self._pending.split("\n")
        for line in lines:
            self._line(_COLOUR.sub("", line))
        return len(text)

    def close(self) -> None:
        """Close the log files."""
        if self._pending:
            self.write("\n")
        if self._log is not None:
            self._log.close()
        self._runner.close()
        super().close()

    def _line(self, line: str) -> None:
        if self._log is not None and line.startswith(_INDENT):
            self._of_step(line.removeprefix(_INDENT))
            return
        self._runner.write(line + "\n")
        self._runner.flush()
        if begin := _BEGIN.search(line):
            self._begin(self._names(begin["task"]))
        elif end := _END.search(line):
            self._end(end["status"] == "SUCCESS")
        elif retry := _RETRY.search(line):
            self._listener.retrying(self._names(retry["task"]))

    def _of_step(self, line: str) -> None:
        if self._log is None or not line.strip():
            return
        self._log.write(line + "\n")
        self._log.flush()
        if line.startswith(PROGRESS_MARK):
            self._listener.advanced(self._step, line.removeprefix(PROGRESS_MARK).strip())
        elif line.startswith(FAILURE_MARK):
            self._reason = line.removeprefix(FAILURE_MARK).strip()
        elif not line.startswith((" ", *_NOISE)):
            self._last = line.strip()

    def _begin(self, step: str) -> None:
        if self._log is not None:
            self._log.close()
        self._count += 1
        path = self._folder / f"{self._count:02d}-{_UNSAFE.sub('-', step.lower())}.log"
        self._step, self._reason, self._last, self._log = step, "", "", path.open("a")
        self._listener.began(step, path)

    def _end(self, succeeded: bool) -> None:
        self._listener.ended(self._step, succeeded, "" if succeeded else self._reason or self._last)
        if self._log is not None:
            self._log.close()
            self._log = None
