"""The gateway, measured: `python -m bench.gateway [--seconds 2] [--starts 3] [--json FILE]`.

Gateway, predictor's side of the wire and load are processes of their own on the loopback. CPU is that of the gateway's
process alone, from the kernel's accounts. The predictor is the wire server of the tests: it answers at once and costs
the gateway what any predictor's answer costs it.
"""

import argparse
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.processes import Cell, cell, cell_lines, cpu_seconds, drive, resident_mib
from bench.serving.load import Plan, http_request
from runtime.settings import REPOSITORY_ROOT

CONNECTIONS = (1, 16)
PREDICT = "/api/v1/crypto/predict"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Start:
    """What one start took, until the gateway listens."""

    cpu_seconds: float
    seconds: float
    memory_mib: float


@dataclass(frozen=True)
class Gateway:
    """A gateway under measurement."""

    process: "subprocess.Popen[bytes]"
    port: int
    start: Start


@contextlib.contextmanager
def predictor() -> Iterator[str]:
    """The predictor's side of the wire; its address."""
    command = [sys.executable, str(REPOSITORY_ROOT / "tests" / "brain" / "wire_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def gateway(folder: Path, predictor_url: str, **settings: str) -> Iterator[Gateway]:
    """A gateway on a free port with limits that no bench reaches."""
    environment = {
        **os.environ,
        "AIO_STATE_DIR": str(folder),
        "BRAIN_PORT": "0",
        "BRAIN_CRYPTO_PREDICTORS": json.dumps({"1h": predictor_url}),
        "BRAIN_MLFLOW_URL": predictor_url,
        "BRAIN_RATE_LIMIT": "100000000/minute",
        "BRAIN_PREDICT_RATE_LIMIT": "100000000/minute",
        **{f"BRAIN_{name.upper()}": value for name, value in settings.items()},
    }
    log = folder / "log"
    begun = time.monotonic()
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "brain"]
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, cwd=REPOSITORY_ROOT)
    try:
        port = listening_port(process, log)
        took = Start(cpu_seconds(process.pid), time.monotonic() - begun, resident_mib(process.pid))
        yield Gateway(process, port, took)
    finally:
        process.terminate()
        process.wait(30)


def listening_port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """Wait until the gateway has said that it is up; return its port."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text()
        if "Application startup complete" in text:
            line = next(line for line in text.splitlines() if '"gateway listens"' in line)
            return int(json.loads(line)["url"].rpartition(":")[2])
        time.sleep(0.02)
    raise RuntimeError(f"the gateway did not start: {log.read_text()[-2000:]}")


def requests() -> dict[str, bytes]:
    """Whole requests by what they are called."""
    head = {"Content-Type": "application/json"}
    body = {"symbol": "BTC", "timeframe": "1h", "prediction_horizon": 24}
    return {
        "GET /health": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "predict, 24 steps": http_request(PREDICT, json.dumps(body).encode(), head),
        "predict, 24 steps, 96 bars of history": http_request(
            PREDICT, json.dumps({**body, "history_bars": 96}).encode(), head
        ),
    }


def measure(served: Gateway, name: str, request: bytes, connections: int, seconds: float) -> Cell:
    """Drive one kind of request for a while."""
    plan = Plan(served.port, connections, seconds, [base64.b64encode(request).decode()])
    return cell(name, connections, "gateway", [drive(served.process.pid, plan)])


def table(starts: list[Start], cells: list[Cell]) -> str:
    """The result as Markdown."""
    cheapest = min(starts, key=lambda start: start.cpu_seconds)
    dearest = max(starts, key=lambda start: start.cpu_seconds)
    lines = [
        f"Start-up over {len(starts)} starts: {cheapest.cpu_seconds:.2f} to {dearest.cpu_seconds:.2f} CPU seconds, "
        f"{min(start.seconds for start in starts):.1f} s at best, {cheapest.memory_mib:.0f} MiB resident.",
        "",
        *cell_lines(cells),
    ]
    return "\n".join(lines)


def main() -> None:
    """Start, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="measured seconds a cell")
    parser.add_argument("--starts", type=int, default=3, help="starts to measure")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    starts: list[Start] = []
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder, predictor() as url:
        for _ in range(options.starts - 1):
            with gateway(Path(folder), url) as served:
                starts.append(served.start)
        with gateway(Path(folder), url) as served:
            starts.append(served.start)
            cells = [
                measure(served, name, request, connections, options.seconds)
                for name, request in requests().items()
                for connections in CONNECTIONS
            ]
    print(table(starts, cells))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        document = {"starts": [asdict(one) for one in starts], "cells": [asdict(one) for one in cells]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
