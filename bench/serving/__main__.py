"""Serving, measured: `python -m bench.serving [--seconds 0.5] [--rounds 4] [--json FILE]`.

Server and load are processes of their own on the loopback; servers take turns within a round, so that a busy machine
is busy for all of them. CPU is that of the server process, from the kernel's accounts.
"""

import argparse
import base64
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.serving.load import Seen, http_request
from bench.serving.model import MODEL
from bench.serving.scene import Scene, set_up, symbol_request, tensor_request
from runtime.settings import REPOSITORY_ROOT

CONNECTIONS = (1, 16, 64)
PATHS = ("tensor, raw", "tensor, JSON", "symbol")
INFER = f"/v2/models/{MODEL}/infer"
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120.0


@dataclass
class Server:
    """A server process under measurement."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int
    paths: tuple[str, ...] = PATHS
    start_cpu_seconds: float = 0.0
    start_seconds: float = 0.0
    memory_mib: float = 0.0

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        """Memory that the process holds."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@dataclass(frozen=True)
class Cell:
    """One server on one path at one concurrency, over all rounds."""

    path: str
    connections: int
    server: str
    requests_per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    answers: int
    failures: int


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_predictor(name: str, scene: Scene, paths: tuple[str, ...] = PATHS, **settings: object) -> Server:
    """`python -m serving crypto` on free ports."""
    port = free_port()
    environment = scene.environment(http_port=port, grpc_port=free_port(), queue_rows=4096, **settings)
    command = [sys.executable, "-m", "serving", "crypto"]
    return Server(name, subprocess.Popen(command, env=environment, cwd=REPOSITORY_ROOT), port, paths)


def start_rival(name: str, kind: str, scene: Scene) -> Server:
    """One of `bench.serving.rivals`."""
    port = free_port()
    command = [sys.executable, "-m", "bench.serving.rivals", kind, str(port), str(scene.bundle)]
    return Server(name, subprocess.Popen(command, env=scene.environment(), cwd=REPOSITORY_ROOT), port)


def start_one_by_one(scene: Scene) -> Iterator[Server]:
    """The servers under measurement; each starts when the next is asked for."""
    yield start_predictor("predictor", scene)
    yield start_predictor("predictor, no window kept", scene, ("symbol",), feature_ttl_seconds=0)
    yield start_rival("FastAPI", "fastapi", scene)
    yield start_rival("bare ASGI", "bare", scene)


def wait_ready(server: Server) -> None:
    """Wait for `/ready`, and note what the start took."""
    begun = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/ready", timeout=5):
                break
        except (urllib.error.URLError, ConnectionError):
            if server.process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                raise RuntimeError(f"{server.name} did not become ready") from None
            time.sleep(0.1)
    server.start_seconds = time.monotonic() - begun
    server.start_cpu_seconds, server.memory_mib = server.cpu_seconds(), server.resident_mib()


def requests_of(path: str, symbols: Sequence[str]) -> list[str]:
    """Whole requests of a path, base64."""
    if path == "symbol":
        made = [symbol_request(symbol) for symbol in symbols]
    else:
        made = [tensor_request(raw=path == "tensor, raw")]
    return [base64.b64encode(http_request(INFER, body, headers)).decode() for body, headers in made]


def measure(server: Server, plan: dict[str, object]) -> tuple[Seen, float]:
    """Run one load; return what it saw and the server's CPU seconds meanwhile."""
    command = [sys.executable, "-m", "bench.serving.load"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY_ROOT, text=True
    ) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        load.stdin.write(json.dumps({**plan, "port": server.port}))
        load.stdin.close()
        load.stdout.readline()
        before = server.cpu_seconds()
        load.stdout.readline()
        spent = server.cpu_seconds() - before
        return Seen(**json.loads(load.stdout.readline())), spent


def cell(path: str, connections: int, server: Server, runs: Sequence[tuple[Seen, float]]) -> Cell:
    """Put the rounds of one cell together."""
    latencies = sorted(value for seen, _ in runs for value in seen.latencies)
    answers = sum(seen.answers for seen, _ in runs)
    seconds = sum(seen.seconds for seen, _ in runs)
    return Cell(
        path=path,
        connections=connections,
        server=server.name,
        requests_per_second=round(answers / seconds, 1),
        cpu_us=round(sum(spent for _, spent in runs) / max(1, answers) * 1e6, 1),
        p50_ms=round(statistics.median(latencies) * 1e3, 2) if latencies else float("nan"),
        p99_ms=round(latencies[int(len(latencies) * 0.99)] * 1e3, 2) if latencies else float("nan"),
        answers=answers,
        failures=sum(seen.failures for seen, _ in runs),
    )


def run(servers: Sequence[Server], scene: Scene, seconds: float, rounds: int) -> list[Cell]:
    """Measure every cell; servers take turns."""
    cells = []
    for path in PATHS:
        requests = requests_of(path, scene.symbols)
        for connections in CONNECTIONS:
            plan = {"connections": connections, "seconds": seconds, "requests": requests}
            asked = [server for server in servers if path in server.paths]
            runs: dict[str, list[tuple[Seen, float]]] = {server.name: [] for server in asked}
            for number in range(rounds):
                for server in asked if number % 2 == 0 else reversed(asked):
                    runs[server.name].append(measure(server, plan))
            cells += [cell(path, connections, server, runs[server.name]) for server in asked]
    return cells


def table(cells: Sequence[Cell], servers: Sequence[Server], limit: dict[str, float]) -> str:
    """The result as Markdown."""
    lines = [
        "| path | connections | server | requests/s | CPU µs a request | p50 ms | p99 ms | failures |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.path} | {one.connections} | {one.server} | {one.requests_per_second:.0f} | {one.cpu_us:.0f} "
        f"| {one.p50_ms:.2f} | {one.p99_ms:.2f} | {one.failures} |"
        for one in cells
    ]
    limits = ", ".join(f"{value:.0f} at batch {rows}" for rows, value in limit.items())
    lines += ["", f"The limit, the session alone in a loop: CPU µs a row {limits}.", ""]
    lines += ["| process | CPU seconds to ready | seconds to ready | memory MiB |", "|---|---:|---:|---:|"]
    lines += [
        f"| {one.name} | {one.start_cpu_seconds:.1f} | {one.start_seconds:.1f} | {one.memory_mib:.0f} |"
        for one in servers
    ]
    return "\n".join(lines)


def main() -> None:
    """Set up, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="measured seconds a cell and round")
    parser.add_argument("--rounds", type=int, default=4, help="rounds a cell")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        scene = set_up(Path(folder))
        try:
            # One after the other, so that each start is measured alone.
            for server in start_one_by_one(scene):
                servers.append(server)
                wait_ready(server)
            command = [sys.executable, "-m", "bench.serving.limit", str(scene.bundle), str(options.seconds)]
            loop = subprocess.run(
                command, env=scene.environment(), cwd=REPOSITORY_ROOT, check=True, stdout=subprocess.PIPE
            )
            limit = json.loads(loop.stdout)
            cells = run(servers, scene, options.seconds, options.rounds)
        finally:
            for server in servers:
                server.process.send_signal(signal.SIGTERM)
            for server in servers:
                server.process.wait(30)
    print(table(cells, servers, limit))
    if options.json:
        starts = [
            {
                "server": one.name,
                "start_cpu_seconds": one.start_cpu_seconds,
                "start_seconds": one.start_seconds,
                "memory_mib": one.memory_mib,
            }
            for one in servers
        ]
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps({"cells": [asdict(one) for one in cells], "limit_us": limit, "starts": starts}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
