"""Server processes under measurement: their ports, their CPU and memory by the kernel's accounts, one load on them."""

import json
import socket
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bench.serving.load import Plan, Seen
from runtime.settings import REPOSITORY_ROOT


@dataclass(frozen=True)
class Cell:
    """One server on one kind of request at one concurrency, over all rounds."""

    request: str
    connections: int
    server: str
    requests_per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    failures: int


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descends from it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children so far, user and system."""
    times = [one.cpu_times() for one in family(pid)]
    return float(sum(time.user + time.system for time in times))


def resident_mib(pid: int) -> float:
    """Memory that a process and its children hold."""
    return float(sum(one.memory_info().rss for one in family(pid)) / 2**20)


def drive(pid: int, plan: Plan) -> tuple[Seen, float]:
    """Run one load from a process of its own; return what it saw and the CPU seconds of `pid` meanwhile."""
    command = [sys.executable, "-m", "bench.serving.load"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY_ROOT, text=True
    ) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        load.stdin.write(json.dumps(plan.__dict__))
        load.stdin.close()
        load.stdout.readline()
        before = cpu_seconds(pid)
        load.stdout.readline()
        spent = cpu_seconds(pid) - before
        return Seen(**json.loads(load.stdout.readline())), spent


def cell(request: str, connections: int, server: str, runs: Sequence[tuple[Seen, float]]) -> Cell:
    """Put the rounds of one cell together."""
    latencies = sorted(value for seen, _ in runs for value in seen.latencies) or [float("nan")]
    answers = sum(seen.answers for seen, _ in runs)
    return Cell(
        request=request,
        connections=connections,
        server=server,
        requests_per_second=round(answers / sum(seen.seconds for seen, _ in runs), 1),
        cpu_us=round(sum(spent for _, spent in runs) / max(1, answers) * 1e6, 1),
        p50_ms=round(statistics.median(latencies) * 1e3, 2),
        p99_ms=round(latencies[int(len(latencies) * 0.99)] * 1e3, 2),
        failures=sum(seen.failures for seen, _ in runs),
    )


def cell_lines(cells: Sequence[Cell]) -> list[str]:
    """The cells as lines of a Markdown table."""
    head = "| request | connections | server | requests/s | CPU µs a request | p50 ms | p99 ms | failures |"
    return [
        head,
        "|---|--:|---|--:|--:|--:|--:|--:|",
        *(
            f"| {one.request} | {one.connections} | {one.server} | {one.requests_per_second:.0f} | {one.cpu_us:.0f} "
            f"| {one.p50_ms:.2f} | {one.p99_ms:.2f} | {one.failures} |"
            for one in cells
        ),
    ]
