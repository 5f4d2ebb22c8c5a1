"""Runs commands at the same time: every line under its command's name, a failure whole, and nothing left behind.

Each command leads a process group of its own, so that what it started can be ended with it, also when it cannot.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue

import psutil
from rich.console import Console
from rich.text import Text

_POLL_SECONDS = 0.2
_LAST_WORDS_SECONDS = 5.0
_BAR = " │ "
_Lines = SimpleQueue[tuple[str, str]]


class RunsFailedError(RuntimeError):
    """Some of the commands failed; `codes` says which, with their exit codes."""

    def __init__(self, codes: Mapping[str, int]) -> None:
        self.codes = codes
        super().__init__("; ".join(f"{name} failed with exit code {code}" for name, code in codes.items()))


def run_together(
    commands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    console: Console,
    stop_timeout_seconds: float,
    ended: Callable[[str], None] = lambda _name: None,
) -> None:
    """Run commands at the same time, to the end of all or of the first that fails; the others are then ended.

    Args:
        commands: By the name that their lines are shown under.
        environment: What each is told.
        console: Where the lines go; those that do not fit are folded, each piece under the name.
        stop_timeout_seconds: How long one that is ended may take before it is killed.
        ended: Called with a name when its command has ended well; what it raises ends the others.

    Raises:
        RunsFailedError: A command failed; all that it said was printed once more, in one piece.
    """
    names = max(map(len, commands))
    told = {**environment, "COLUMNS": str(max(20, console.width - names - len(_BAR))), "TTY_COMPATIBLE": "0"}
    lines: _Lines = SimpleQueue()
    runs: list[_Run] = []
    try:
        for name, command in commands.items():
            runs.append(_Run(name, command, told, lines))
        failed = _follow(runs, lines, lambda name, line: _show(console, f"{name:<{names}}", line), ended)
    finally:
        _end(runs, stop_timeout_seconds)
    for run in failed:
        console.print(f"\n{run.name} failed with exit code {run.code}. All that it said:", markup=False, soft_wrap=True)
        console.print("\n".join(run.said), markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise RunsFailedError({run.name: run.code for run in failed})


class _Run:
    """One command at work, and what it has said."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], lines: _Lines) -> None:
        self.name = name
        self.said: list[str] = []
        self._settled = False
        # A file cannot fill up as a pipe does while nobody reads it.
        self._complaints = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 - closed when settled
        self.process = subprocess.Popen(  # noqa: S603 - commands of this repository
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            errors="replace",
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, args=(lines,), name=f"lines of {name}", daemon=True)
        self._reader.start()

    @property
    def code(self) -> int:
        """The exit code; 0 while it works."""
        return self.process.poll() or 0

    def settle(self) -> list[str]:
        """Kill what the command left behind; returns what it had complained of, the first time."""
        if self._settled:  # by now its process group may be somebody else's
            return []
        self._settled = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            _wait_for_group(self.process.pid)
        self._reader.join(_LAST_WORDS_SECONDS)
        with self._complaints as file:
            file.seek(0)
            complaints = file.read().rstrip().splitlines()
        self.said.extend(complaints)
        return complaints

    def _read(self, lines: _Lines) -> None:
        assert self.process.stdout is not None  # noqa: S101 - it was asked for a pipe
        with self.process.stdout as stdout:
            for line in stdout:
                self.said.append(line.rstrip())
                lines.put((self.name, line.rstrip()))


def _wait_for_group(group: int) -> None:
    """Wait until a killed process group has ended; one that nobody reaps has ended too."""
    deadline = time.monotonic() + _LAST_WORDS_SECONDS
    while time.monotonic() < deadline and any(_works(process, group) for process in psutil.process_iter()):
        time.sleep(0.02)


def _works(process: psutil.Process, group: int) -> bool:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    return False


def _follow(
    runs: Sequence[_Run], lines: _Lines, show: Callable[[str, str], None], ended: Callable[[str], None]
) -> list[_Run]:
    """Show lines until all have ended well or one has failed; returns those that failed by then."""
    going = list(runs)
    while going:
        done = {run: run.settle() for run in going if run.process.poll() is not None}
        for name, line in _waiting(lines, 0 if done else _POLL_SECONDS):
            show(name, line)
        failed = [run for run in done if run.code]
        if failed:
            return failed
        for run, complaints in done.items():
            going.remove(run)
            for line in complaints:
                show(run.name, line)
            ended(run.name)
    return []


def _waiting(lines: _Lines, timeout_seconds: float) -> Iterator[tuple[str, str]]:
    """The lines that are there; the first may be waited for."""
    with contextlib.suppress(Empty):
        yield lines.get(timeout=timeout_seconds)
        while True:
            yield lines.get_nowait()


def _end(runs: Sequence[_Run], timeout_seconds: float) -> None:
    """End what still works: asked first, all at once, then killed with everything that it started."""
    deadline = time.monotonic() + timeout_seconds
    for run in runs:
        run.process.terminate()
    try:
        for run in runs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.process.wait(max(0.0, deadline - time.monotonic()))
    finally:  # also where a person grows impatient and interrupts the wait
        for run in runs:
            run.settle()


def _show(console: Console, name: str, line: str) -> None:
    for piece in Text(line).wrap(console, max(20, console.width - len(name) - len(_BAR))):
        console.print(Text.assemble((name, "cyan"), (_BAR, "dim"), piece))
