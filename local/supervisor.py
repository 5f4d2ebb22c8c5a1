"""The process supervisor: supervisord, its configuration and its control socket."""

import contextlib
import os
import subprocess
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import cast

import psutil

from local.programs import Program

_SOCKET_PATH_LIMIT_BYTES = 100


class SupervisorError(RuntimeError):
    """The supervisor could not be started or did not do what it was asked."""


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor says of one program; `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    uptime_seconds: float
    detail: str


class Supervisor:
    """One supervisord a state folder, spoken to over its Unix socket."""

    def __init__(self, state_dir: Path) -> None:
        self._run = state_dir / "run"
        self._log = state_dir / "log"
        self._socket = self._run / "supervisor.sock"
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_LIMIT_BYTES:
            raise SupervisorError(
                f"the path {self._socket} is too long for a Unix socket ({_SOCKET_PATH_LIMIT_BYTES} bytes at most); "
                "set AIO_STATE_DIR to a shorter folder"
            )

    def running(self) -> bool:
        """Tell whether the supervisor answers."""
        try:
            return bool(self._call("supervisor.getState"))
        except (OSError, HTTPException, xmlrpc.client.Error):
            return False

    def start(self, programs: Sequence[Program], environment: Mapping[str, str], stop_timeout_seconds: float) -> None:
        """Start supervisord with every program known and none started."""
        self._run.mkdir(parents=True, exist_ok=True)
        self._log.mkdir(parents=True, exist_ok=True)
        config = self._run / "supervisord.conf"
        config.write_text(self._config(programs, stop_timeout_seconds))
        command = [environment["LOCAL_PYTHON"], "-m", "supervisor.supervisord", "-c", str(config)]
        done = subprocess.run(  # noqa: S603 - our own interpreter and configuration
            command, env=dict(environment), capture_output=True, text=True, timeout=30, check=False
        )
        deadline = time.monotonic() + 15
        while not self.running():
            if done.returncode or time.monotonic() > deadline:
                said = (done.stderr + done.stdout).strip()[-500:]
                raise SupervisorError(f"supervisord did not start: {said or 'see supervisord.log in the state folder'}")
            time.sleep(0.05)

    def launch(self, name: str) -> None:
        """Start one program unless it runs already."""
        if self.state(name).state in ("RUNNING", "STARTING"):
            return
        self._call("supervisor.startProcess", name, False)

    def restart(self, name: str) -> None:
        """Stop one program, if it runs, and start it again."""
        if self.state(name).pid:
            self._call("supervisor.stopProcess", name, True)
        self._call("supervisor.startProcess", name, False)

    def state(self, name: str) -> ProcessState:
        """What one program does now."""
        return _process_state(cast(dict[str, object], self._call("supervisor.getProcessInfo", name)))

    def states(self) -> list[ProcessState]:
        """What every program does now; empty when the supervisor does not run."""
        if not self.running():
            return []
        return [
            _process_state(info) for info in cast(list[dict[str, object]], self._call("supervisor.getAllProcessInfo"))
        ]

    def shutdown(self, timeout_seconds: float) -> None:
        """Stop every program in reverse order, then the supervisor itself; returns once its process has ended.

        It refuses calls as soon as it begins to stop, so that silence alone does not mean that it is done.
        """
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(cast(int, self._call("supervisor.getPID")))
            self._call("supervisor.shutdown")
            try:
                process.wait(timeout_seconds)
            except psutil.TimeoutExpired:
                raise SupervisorError(
                    f"supervisord did not stop within {timeout_seconds:g} s; see {self._log}"
                ) from None

    def log_file(self, name: str) -> Path:
        """Where a program's output goes."""
        return self._log / f"{name}.log"

    def _call(self, method: str, *arguments: object) -> object:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as server:
            return getattr(server, method)(*arguments)

    def _config(self, programs: Sequence[Program], stop_timeout_seconds: float) -> str:
        head: dict[str, dict[str, object]] = {
            "unix_http_server": {"file": self._socket, "chmod": "0700"},
            "supervisord": {
                "logfile": self._log / "supervisord.log",
                "logfile_maxbytes": "5MB",
                "logfile_backups": 2,
                "pidfile": self._run / "supervisord.pid",
                "childlogdir": self._log,
                "silent": "true",
                **({"user": "root"} if os.geteuid() == 0 else {}),
            },
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
        }
        for priority, program in enumerate(programs):
            head[f"program:{program.name}"] = {
                "command": " ".join(_quote(word) for word in program.command),
                "priority": priority,
                "autostart": "false",
                "autorestart": "true",
                "startsecs": 3,
                "startretries": 1000,
                "stopwaitsecs": int(stop_timeout_seconds),
                "stopasgroup": "true",
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": self.log_file(program.name),
                "stdout_logfile_maxbytes": "10MB",
                "stdout_logfile_backups": 3,
                "environment": ",".join(f"{key}={_quote(value)}" for key, value in program.variables.items()),
            }
        sections = []
        for name, options in head.items():
            lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in options.items()]
            sections.append("\n".join([f"[{name}]", *lines]))
        return "\n\n".join(sections) + "\n"


def _quote(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _process_state(info: Mapping[str, object]) -> ProcessState:
    start, now = cast(int, info["start"]), cast(int, info["now"])
    running = info["statename"] == "RUNNING"
    return ProcessState(
        name=str(info["name"]),
        state=str(info["statename"]),
        pid=cast(int, info["pid"]),
        uptime_seconds=float(now - start) if running else 0.0,
        detail=str(info["description"] or info["spawnerr"]),
    )
