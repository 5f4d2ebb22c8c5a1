"""Worker processes that a bench starts, asks, stops, kills and wakes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.settings import REPOSITORY_ROOT


class Child:
    """A Python module in a process of its own that answers one line of JSON for each line of JSON."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=REPOSITORY_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)

    def ask(self, what: str, *arguments: object) -> object:
        """Call a function of the child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([what, *arguments]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait(10)} at {what}{arguments}")
        return json.loads(line)

    def signal(self, number: int) -> None:
        """Send a signal to the child alone."""
        self._process.send_signal(number)


def serve(functions: dict[str, Callable[..., object]]) -> None:
    """Answer what the parent asks until it hangs up."""
    functions = {"ready": lambda: True, **functions}
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        print(json.dumps(functions[what](*arguments)), flush=True)


class Calls:
    """What was called by whom, in a file; and gates at which calls wait."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def call(self, name: str, worker: str, gated: bool) -> str:
        """Note a call; where gated, wait until the worker's gate is open."""
        with (self._folder / "calls").open("a") as calls:
            calls.write(f"{name} {worker}\n")
        while gated and not (self._folder / f"open-{worker}").exists():
            time.sleep(0.02)
        return worker

    def open_gate(self, worker: str) -> None:
        """Let a worker's calls go on."""
        (self._folder / f"open-{worker}").touch()

    def seen(self) -> list[str]:
        """Calls so far, each `name worker`."""
        file = self._folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


def wait_for(true: Callable[[], object], seconds: float = 20.0) -> float:
    """Wait until something is true; return the seconds it took, or raise `TimeoutError`."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"did not come true within {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - began


def last_place(finished: Iterable[str], owner: str) -> int:
    """The place, from 1, at which an owner's last run was begun."""
    return max(place for place, name in enumerate(finished, 1) if name == owner)
