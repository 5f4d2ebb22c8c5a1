"""The fraud routes under a steady load: `python -m bench.fraud_gateway [--rate 200] [--seconds 10] [--wire]`.

Cases arrive at fixed moments whether or not those before are answered, and a latency counts from the moment a case was
due, so that a stall is seen by every case that waited in it. Gateway, predictor and load are processes of their own on
the loopback; the decision log is SQLite with full flushes. The predictor is the real one with a small model that is
trained here and an empty state store; with `--wire` it is the tests' stand-in, which costs next to nothing. The small
model flags most cases, where a real one flags one in a hundred: reasons are therefore measured apart, with `--explain
auto`.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.gateway import gateway, predictor
from bench.processes import cpu_seconds, free_port
from bench.serving.load import http_request
from runtime.settings import REPOSITORY_ROOT

ANALYZE, BATCH = "/api/v1/fraud/analyze", "/api/v1/fraud/analyze/batch"
CONNECTIONS = 64
WARM_UP_SECONDS = 2.0
JSON = {"Content-Type": "application/json"}


def case(rng: random.Random) -> dict[str, object]:
    """A plausible transaction of one of 5,000 customers at one of 1,000 terminals."""
    return {
        "customer_id": f"C{rng.randrange(5000):06d}",
        "terminal_id": f"T{rng.randrange(1000):06d}",
        "amount_minor": int(rng.lognormvariate(8.3, 0.8)),
    }


async def steady(port: int, rate: float, seconds: float, explain: str) -> dict[str, object]:
    """Send cases at a rate; latencies in seconds of those that were due after the warm-up."""
    rng = random.Random(7)
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    latencies: list[float] = []
    failures = 0

    async def send(request: bytes, due: float) -> None:
        nonlocal failures
        reader, writer = await idle.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        start = head.lower().index(b"content-length: ") + 16
        await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
        idle.put_nowait((reader, writer))
        if due >= measured:
            failures += not head.startswith(b"HTTP/1.1 200")
            latencies.append(time.perf_counter() - due)

    begun = time.perf_counter() + 0.1
    measured = begun + WARM_UP_SECONDS
    tasks = []
    for number in range(int(rate * (WARM_UP_SECONDS + seconds))):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if number == int(rate * WARM_UP_SECONDS):
            print("begin", flush=True)
        body = json.dumps({**case(rng), "explain": explain}).encode()
        tasks.append(asyncio.create_task(send(http_request(ANALYZE, body, JSON), due)))
    await asyncio.gather(*tasks)
    print("end", flush=True)
    return {"latencies": sorted(latencies), "failures": failures}


@contextlib.contextmanager
def real_predictor(folder: Path) -> Iterator[tuple[str, int]]:
    """The fraud predictor with a small model for cards; its address and process id."""
    sys.path.insert(0, str(REPOSITORY_ROOT / "tests" / "serving"))
    from fraud_kit import train  # type: ignore[import-not-found]
    from predictor_process import RunningFraud  # type: ignore[import-not-found]

    running = RunningFraud(folder / "predictor", free_port(), free_port())
    running.adopt(train(folder / "candidates", "card"), "card")
    running.start()
    try:
        deadline = time.monotonic() + 120
        while running.status("/v2/models/fraud-card") != 200:
            if time.monotonic() > deadline:
                raise RuntimeError("the predictor did not come up within 120 s")
            time.sleep(0.2)
        yield running.url, running.process.pid
    finally:
        running.stop(signal.SIGKILL)


@contextlib.contextmanager
def wire_predictor() -> Iterator[tuple[str, int]]:
    """The stand-in; its CPU is not counted."""
    with predictor() as url:
        yield url, 0


def drive(port: int, options: argparse.Namespace, pids: dict[str, int]) -> tuple[dict[str, object], dict[str, float]]:
    """Run the load from a process of its own; what it saw, and CPU seconds of each process meanwhile."""
    command = [sys.executable, "-m", "bench.fraud_gateway", "--load", str(port)]
    command += ["--rate", str(options.rate), "--seconds", str(options.seconds), "--explain", options.explain]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY_ROOT) as load:
        assert load.stdout is not None
        load.stdout.readline()
        before = {name: cpu_seconds(pid) for name, pid in pids.items() if pid}
        load.stdout.readline()
        spent = {name: cpu_seconds(pids[name]) - value for name, value in before.items()}
        return json.loads(load.stdout.readline()), spent


def batch_seconds(port: int, rows: int) -> float:
    """Seconds that one batch of so many rows takes."""
    import httpx

    rng = random.Random(11)
    body = {"rows": [case(rng) for _ in range(rows)]}
    begun = time.perf_counter()
    answer = httpx.post(f"http://127.0.0.1:{port}{BATCH}", json=body, timeout=300, trust_env=False)
    took = time.perf_counter() - begun
    if answer.status_code != 200 or answer.json()["counts"].get("failed"):
        raise RuntimeError(f"the batch failed: {answer.text[:500]}")
    return took


def main() -> None:
    """Start, load, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fraud_gateway", description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="cases a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured seconds")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the batch that follows; 0 for none")
    parser.add_argument("--wire", action="store_true", help="the tests' stand-in for the predictor")
    parser.add_argument("--explain", choices=("never", "auto", "always"), default="never", help="reasons")
    parser.add_argument("--load", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(asyncio.run(steady(options.load, options.rate, options.seconds, options.explain))))
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-fraud-")))
        serving = wire_predictor() if options.wire else real_predictor(folder)
        url, pid = stack.enter_context(serving)
        settings = {"fraud_predictor_url": url, "fraud_rate_limit": "100000000/minute"}
        served = stack.enter_context(gateway(folder, url, **settings))
        pids = {"gateway": served.process.pid, "predictor": pid}
        seen, spent = drive(served.port, options, pids)
        took = batch_seconds(served.port, options.rows) if options.rows else 0.0
    print(report(options, seen, spent, took))


def report(options: argparse.Namespace, seen: dict[str, object], spent: dict[str, float], took: float) -> str:
    """The result as Markdown."""
    latencies = [float(one) for one in seen["latencies"]]  # type: ignore[attr-defined]
    at = {name: 1e3 * latencies[min(len(latencies) - 1, int(len(latencies) * part))] for name, part in _PARTS.items()}
    cpu = {name: 1e3 * value / len(latencies) for name, value in spent.items()}
    lines = [
        "| cases/s | answers | failures | p50 ms | p90 ms | p99 ms | gateway CPU ms a case | predictor CPU ms a case |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
        f"| {options.rate:g} | {len(latencies)} | {seen['failures']} | {1e3 * statistics.median(latencies):.1f} "
        f"| {at['p90']:.1f} | {at['p99']:.1f} | {cpu['gateway']:.2f} | {cpu.get('predictor', float('nan')):.2f} |",
    ]
    if took:
        lines += ["", f"A batch of {options.rows} rows: {took:.1f} s, {options.rows / took:.0f} rows a second."]
    return "\n".join(lines)


_PARTS = {"p90": 0.9, "p99": 0.99}

if __name__ == "__main__":
    main()
