"""What every part of the launcher works with: one state folder's view, and a command run to its end."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from local.programs import Program, environment, programs
from local.settings import LocalSettings
from local.supervisor import Supervisor
from runtime.settings import RuntimeSettings

PARENT_VARIABLE = "AIO_PARENT_PID"
"""Process id whose end ends a pipeline's run; read by `components.parent_watch`, which the launcher does not import."""


class LaunchError(RuntimeError):
    """The platform did not come up; the message says which part and where its log is."""


@dataclass(frozen=True)
class Platform:
    """The launcher's view of one state folder."""

    local: LocalSettings
    runtime: RuntimeSettings
    console: Console

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of this state folder."""
        return Supervisor(self.runtime.state_dir.resolve())

    @property
    def programs(self) -> tuple[Program, ...]:
        """The processes in start order."""
        return programs(self.local, self.runtime)

    @property
    def environment(self) -> Mapping[str, str]:
        """What every process is told."""
        return {**environment(self.local, self.runtime, os.environ), "LOCAL_PYTHON": sys.executable}

    @property
    def run_environment(self) -> Mapping[str, str]:
        """What a process is told that works for this one and ends with it, also by kill -9."""
        return {**self.environment, PARENT_VARIABLE: str(os.getpid())}

    def program(self, name: str) -> Program:
        """One program by name."""
        return next(program for program in self.programs if program.name == name)


def run(platform: Platform, title: str, *arguments: str, shown: bool = False) -> None:
    """Run our own interpreter to its end; `shown` lets it write to the terminal itself.

    Raises:
        LaunchError: It failed; the message holds what it said, unless that was shown.
    """
    command, told = [sys.executable, *arguments], dict(platform.run_environment)
    if shown:
        code = subprocess.run(command, env=told, check=False).returncode  # noqa: S603
        said = "see above"
    else:
        with platform.console.status(title):
            done = subprocess.run(  # noqa: S603 - our own interpreter and modules
                command, env=told, check=False, capture_output=True, text=True
            )
        code, said = done.returncode, (done.stdout + done.stderr).strip()[-2000:]
    if code:
        raise LaunchError(f"{title} failed with exit code {code}: {said}")
