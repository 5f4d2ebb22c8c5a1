"""What a durable run costs, by our own store and by DBOS: CPU of the process and of PostgreSQL, time and flushes."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.durable.databases import Server, empty_database
from runtime.settings import REPOSITORY_ROOT

OWN = ("direct", "queued")
DBOS = ("direct", "direct, WAL", "direct, async", "direct, own rows", "queued", "queued, bounded")
_FLUSHES = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync)$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """Milliseconds a run; flushes a run are None where they were not counted."""

    cpu_ms: float
    server_cpu_ms: float
    wall_ms: float
    flushes: float | None


def methods(server: Server | None) -> Iterator[tuple[str, str]]:
    """Engine and mode of every method that makes sense on the database."""
    yield from (("own", mode) for mode in OWN)
    yield from (("by_dbos", mode) for mode in DBOS if server is None or mode != "direct, WAL")


def cost(engine: str, mode: str, steps: int, runs: int, server: Server | None, count: bool = False) -> Cost:
    """Measure one method on an empty database; `count` its flushes too, where strace is installed and on SQLite."""
    with empty_database(server) as url:
        before = server.cpu_seconds() if server else 0.0
        seen = json.loads(_call(engine, url, steps, runs, mode))
        spent = server.cpu_seconds() - before if server else 0.0
    flushes = _flushes(engine, mode, steps) if server is None and count else None
    return Cost(1e3 * seen["cpu"] / runs, 1e3 * spent / runs, 1e3 * seen["wall"] / runs, flushes)


def _call(engine: str, url: str, steps: int, runs: int, mode: str, before: tuple[str, ...] = ()) -> str:
    command = [*before, sys.executable, "-m", f"bench.durable.{engine}", url, str(steps), str(runs), mode]
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[-6:])} failed: {done.stderr[-1500:]}")
    return done.stdout.strip().splitlines()[-1]


def _flushes(engine: str, mode: str, steps: int) -> float | None:
    """Flushes of files a run, from the difference between few runs and more; None without strace."""
    tool = shutil.which("strace")
    if tool is None:
        return None
    counts = []
    for runs in (3, 13):
        with empty_database(None) as url, tempfile.TemporaryDirectory() as folder:
            counted = Path(folder) / "calls"
            trace = (tool, "-f", "-c", "-o", str(counted), "-e", "trace=fsync,fdatasync")
            _call(engine, url, steps, runs, mode, trace)
            counts.append(sum(int(one) for one in _FLUSHES.findall(counted.read_text())))
    return (counts[1] - counts[0]) / 10


IMPORTS = {
    "SQLAlchemy alone": "import sqlalchemy",
    "the run store": "import brain.runs.store",
    "DBOS": "import dbos",
}


def import_cost(statement: str) -> tuple[float, float]:
    """CPU seconds and MiB of a fresh interpreter with one import, bytecode at hand; the second of two starts."""
    script = (
        f"import resource; {statement}; u = resource.getrusage(resource.RUSAGE_SELF); "
        "print(u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)"
    )
    for _ in range(2):
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True)
    cpu, memory = done.stdout.split()
    return float(cpu), float(memory)
