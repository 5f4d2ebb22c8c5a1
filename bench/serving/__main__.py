"""Serving, measured: `python -m bench.serving [--seconds 0.5] [--rounds 4] [--json FILE]`.

Server and load are processes of their own on the loopback; servers take turns within a round, so that a busy machine
is busy for all of them. CPU is that of the server process, from the kernel's accounts.
"""

import argparse
import base64
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.processes import Cell, cell, cell_lines, cpu_seconds, drive, free_port, resident_mib
from bench.serving.load import Plan, Seen, http_request
from bench.serving.model import MODEL
from bench.serving.scene import Scene, set_up, symbol_request, tensor_request
from runtime.settings import REPOSITORY_ROOT

CONNECTIONS = (1, 16, 64)
PATHS = ("tensor, raw", "tensor, JSON", "symbol")
INFER = f"/v2/models/{MODEL}/infer"
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
    pid = server.process.pid
    server.start_cpu_seconds, server.memory_mib = cpu_seconds(pid), resident_mib(pid)


def requests_of(path: str, symbols: Sequence[str]) -> list[str]:
    """Whole requests of a path, base64."""
    if path == "symbol":
        made = [symbol_request(symbol) for symbol in symbols]
    else:
        made = [tensor_request(raw=path == "tensor, raw")]
    return [base64.b64encode(http_request(INFER, body, headers)).decode() for body, headers in made]


def run(servers: Sequence[Server], scene: Scene, seconds: float, rounds: int) -> list[Cell]:
    """Measure every cell; servers take turns."""
    cells = []
    for path in PATHS:
        requests = requests_of(path, scene.symbols)
        for connections in CONNECTIONS:
            asked = [server for server in servers if path in server.paths]
            runs: dict[str, list[tuple[Seen, float]]] = {server.name: [] for server in asked}
            for number in range(rounds):
                for server in asked if number % 2 == 0 else reversed(asked):
                    plan = Plan(server.port, connections, seconds, requests)
                    runs[server.name].append(drive(server.process.pid, plan))
            cells += [cell(path, connections, server.name, runs[server.name]) for server in asked]
    return cells


def table(cells: Sequence[Cell], servers: Sequence[Server], limit: dict[str, float]) -> str:
    """The result as Markdown."""
    lines = cell_lines(cells)
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
