"""Start-up of the processes that have no bench of their own: `python -m bench.startup`.

Each is started alone with the launcher's own command and environment in a fresh state folder, until it says that it is
ready, or, where it serves nothing, until it has used no CPU for two seconds.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from bench.processes import cpu_seconds, family, free_port, resident_mib
from local.programs import Program, environment, programs
from local.settings import LocalSettings
from runtime.settings import RuntimeSettings

NAMES = ("mlflow", "crypto-refresh")
LIMIT_SECONDS = 120.0
IDLE_SECONDS = 2.0
POLL_SECONDS = 0.05


def main() -> None:
    """Print CPU seconds, wall seconds and resident memory of each process and its children."""
    print("| process | CPU seconds | seconds | memory MiB |\n|---|--:|--:|--:|")
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            local, runtime = LocalSettings(mlflow_port=free_port()), RuntimeSettings(state_dir=Path(folder))
            for part in ("mlflow", "tmp"):
                (Path(folder) / part).mkdir()
            variables = {**environment(local, runtime, os.environ), "PYTHONPYCACHEPREFIX": _bytecode()}
            program = next(program for program in programs(local, runtime) if program.name == name)
            cpu, wall, memory = _measure(program, variables)
            print(f"| {program.title} | {cpu:.1f} | {wall:.1f} | {memory:.0f} |", flush=True)


def _bytecode() -> str:
    return os.environ.get("PYTHONPYCACHEPREFIX", str(RuntimeSettings().state_dir.resolve() / "cache" / "pycache"))


def _measure(program: Program, variables: dict[str, str]) -> tuple[float, float, float]:
    began = time.perf_counter()
    process = psutil.Popen(program.command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(program, process)
        wall = time.perf_counter() - began - (0.0 if program.ready_url else IDLE_SECONDS)
        return cpu_seconds(process.pid), wall, resident_mib(process.pid)
    finally:
        for one in reversed(family(process.pid)):
            one.terminate()
        psutil.wait_procs([process], timeout=10)


def _wait(program: Program, process: psutil.Popen) -> None:
    deadline = time.perf_counter() + LIMIT_SECONDS
    used, since = -1.0, time.perf_counter()
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{program.title} ended with {process.returncode}")
        if program.ready_url is None:
            now = cpu_seconds(process.pid)
            if now - used > POLL_SECONDS:
                used, since = now, time.perf_counter()
            elif time.perf_counter() - since > IDLE_SECONDS:
                return
        elif _answers(program.ready_url):
            return
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"{program.title} was not ready within {LIMIT_SECONDS:g} s")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
