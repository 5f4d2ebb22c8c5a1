"""Fraud serving, measured: `python -m bench.fraud_serving [--rows 60000] [--seconds 1] [--rounds 3]`.

A card detector is trained on simulated transactions and its states are put into a real Feast store. Two questions:

- how many rows a second are scored in batch, one thread, by native XGBoost, by the bare ONNX session and by what the
  predictor calls;
- what a request costs through the predictor, against a bare ASGI function with the same micro-batcher, session, states
  and features that leaves out what a predictor owes its callers: limits, keys, deadlines, checks, metrics, versions.

Server and load are processes of their own on the loopback; servers take turns, so that a busy machine is busy for both.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from bench.processes import Cell, cell, cell_lines, cpu_seconds, drive, free_port, resident_mib
from bench.serving.load import Plan, Seen, http_request
from runtime.settings import REPOSITORY_ROOT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from serving.session import StackedModel

MODEL = "fraud-card"
INFER = f"/v2/models/{MODEL}/infer"
VERSION = "1"
BATCHES = (1, 16, 1000)
CONNECTIONS = (1, 16)
START_SECONDS = 180.0
LENGTH = b"inference-header-content-length"


@dataclass(frozen=True)
class Scene:
    """A state folder with a version to serve and its states, and where the trained rows are."""

    folder: Path

    @property
    def bundle(self) -> Path:
        """The served version."""
        return self.folder / "state" / "predictor" / MODEL / f"{VERSION}-bench"

    @property
    def table(self) -> Path:
        """Card features."""
        return self.folder / "features.parquet"

    def environment(self, **settings: object) -> dict[str, str]:
        """What a process of the scene is told."""
        return {
            **os.environ,
            "AIO_STATE_DIR": str(self.folder / "state"),
            "AIO_LOG_LEVEL": "ERROR",
            "AIO_MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "OMP_NUM_THREADS": "1",
            "PREDICTOR_CARD_VERSION": VERSION,
            "PREDICTOR_POLL_SECONDS": "5",
            **{f"PREDICTOR_{name.upper()}": str(value) for name, value in settings.items()},
        }


def build(folder: Path, rows: int) -> None:
    """Simulate, compute features, train, seal, materialise; in a process of its own."""
    from components.fraud.cards.history import build_history
    from components.fraud.cards.simulator import simulate
    from components.fraud.costs import COSTS
    from components.fraud.detectors import DETECTORS
    from components.fraud.feature_writer.materialise import materialise_states
    from components.fraud.splits import card_split
    from components.fraud.training import fit_candidate
    from components.release.candidate import make_bundle
    from serving.local_copy import Copy, LocalCopies

    scene, end = Scene(folder), datetime.now(UTC)
    transactions = folder / "transactions.parquet"
    simulate(transactions, end=end, rows=rows)
    build_history(transactions, scene.table)
    delay = timedelta(seconds=DETECTORS["card"].label_delay_seconds)
    split = card_split(scene.table, delay)
    costs = COSTS["card"]
    candidate = folder / "candidate"
    fit_candidate(
        scene.table, candidate, detector="card", learner="xgboost", split=split, costs=costs, trials=1, seed=0
    )
    (folder / "report.html").write_text("<p>bench</p>")
    bundle = make_bundle(candidate, scene.bundle, family="fraud", name=MODEL, report_html=folder / "report.html")
    LocalCopies(scene.bundle.parent).remember(Copy(VERSION, bundle))
    materialise_states(transactions, end)


def open_model(scene: Scene) -> "StackedModel":
    """The graph as the predictor opens it."""
    from components.fraud.detectors import DETECTORS
    from serving.fraud_wire import graph_outputs
    from serving.session import StackedModel

    card = DETECTORS["card"]
    return StackedModel(
        scene.bundle / "model.onnx",
        input_name="features",
        row_shape=(len(card.feature_names),),
        outputs=graph_outputs(card),
    )


def batch_scoring(scene: Scene, seconds: float) -> dict[str, dict[int, float]]:
    """Rows a CPU second, one thread, by scorer and batch size; medians of interleaved rounds."""
    import onnxruntime
    import xgboost

    from components.fraud.cards.history import read_card_features
    from components.fraud.detectors import DETECTORS

    columns = read_card_features(scene.table, list(DETECTORS["card"].feature_names))
    rows = np.column_stack([column.to_numpy() for column in columns.columns]).astype(np.float32)[-4000:]
    booster = xgboost.Booster({"nthread": 1}, model_file=scene.bundle / "native" / "model.ubj")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(scene.bundle / "model.onnx", options)
    model = open_model(scene)
    scorers: dict[str, Callable[[np.ndarray], object]] = {
        "XGBoost, in place": booster.inplace_predict,
        "ONNX session": lambda batch: session.run(["probability", "score"], {"features": batch}),
        "what the predictor calls": model,
    }
    found: dict[str, dict[int, list[float]]] = {name: {size: [] for size in BATCHES} for name in scorers}
    for _ in range(5):
        for size in BATCHES:
            for name, scorer in scorers.items():
                found[name][size].append(_rate(scorer, rows, size, seconds / 5))
    return {name: {size: float(np.median(rates)) for size, rates in own.items()} for name, own in found.items()}


def _rate(scorer: Callable[[np.ndarray], object], rows: np.ndarray, size: int, seconds: float) -> float:
    batches = [np.ascontiguousarray(rows[start : start + size]) for start in range(0, 1000, size)]
    scorer(batches[0])
    begun, scored, ended = time.process_time(), 0, time.perf_counter() + seconds
    while time.perf_counter() < ended:
        for batch in batches[:50]:
            scorer(batch)
            scored += len(batch)
    return scored / (time.process_time() - begun)


def bare_app(scene: Scene) -> "ASGIApp":
    """An ASGI function with the micro-batcher, the session, the states and the features of the predictor."""
    from components.fraud.detectors import DETECTORS
    from feature_repo.fraud_online import FeastCardStates
    from serving.batcher import MicroBatcher, ModelThread
    from serving.fraud_card_states import CardStates
    from serving.fraud_cards import compute, read_row
    from serving.fraud_settings import FraudSettings

    card, settings, model = DETECTORS["card"], FraudSettings(), open_model(scene)
    batcher = MicroBatcher(model, ModelThread(), max_rows=settings.max_batch_rows, queue_rows=settings.queue_rows)
    reader = FeastCardStates()
    states = CardStates(
        lambda: reader,
        ThreadPoolExecutor(1),
        ttl_seconds=settings.state_ttl_seconds,
        most_kept=settings.kept_states,
        clock=time.monotonic,
    )
    thresholds = json.loads((scene.bundle / "thresholds.json").read_text())
    shared = [
        {"name": "thresholds", "datatype": "FP64", "shape": [2], "data": [thresholds["review"], thresholds["decline"]]},
        {
            "name": "feature_names",
            "datatype": "BYTES",
            "shape": [len(card.feature_names)],
            "data": list(card.feature_names),
        },
    ]

    async def score(body: bytes, length: bytes | None) -> bytes:
        head = orjson.loads(body if length is None else body[: int(length)])["inputs"][0]
        sequences = None
        if head["name"] == "record":
            rows = [read_row(card, orjson.loads(text), row) for row, text in enumerate(head["data"])]
            features, sequences = compute(rows, await states.of(rows))
        else:
            features = np.frombuffer(body, np.float32, offset=int(length or 0)).reshape(head["shape"])
        deadline = asyncio.get_running_loop().time() + 10
        answer = await batcher.submit(features, deadline, lambda: True)
        named = [("probability", answer[:, 0]), ("score", answer[:, 1]), ("features", features)]
        outputs: list[dict[str, object]] = [
            {"name": name, "datatype": "FP32", "shape": data.shape, "data": np.ascontiguousarray(data).ravel()}
            for name, data in named
        ]
        if sequences is not None:
            outputs.append(
                {"name": "state_sequences", "datatype": "INT64", "shape": sequences.shape, "data": sequences.ravel()}
            )
        document = {"model_name": MODEL, "model_version": VERSION, "outputs": [*outputs, *shared]}
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)

    async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
        body = b"{}"
        if scope["method"] == "POST":
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            body = await score(body, dict(scope["headers"]).get(LENGTH))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def serve_bare(folder: Path, port: int) -> None:
    """The rival's process, with the server settings that the predictor has."""
    import uvicorn

    uvicorn.run(
        bare_app(Scene(folder)),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
    )


def requests_of(scene: Scene, path: str, count: int = 400) -> list[str]:
    """Whole requests of a path, base64: records of customers of the history, or raw features."""
    import pyarrow.parquet as pq

    if path == "record":
        ids = pq.read_table(scene.folder / "transactions.parquet", columns=["customer_id", "terminal_id"])
        picks = np.random.default_rng(3).integers(0, len(ids), count)
        chosen = ids.take(picks).to_pylist()
        now = datetime.now(UTC).isoformat()
        bodies = [_record({**one, "amount_minor": 4200, "currency": "EUR", "occurred_at": now}) for one in chosen]
        return [base64.b64encode(http_request(INFER, body, {})).decode() for body in bodies]
    width = len(json.loads((scene.bundle / "bundle.json").read_text())["feature_names"])
    rows = np.random.default_rng(3).random((1000 if path == "features, 1,000 rows" else 1, width), np.float32)
    tensor = {"name": "features", "datatype": "FP32", "shape": rows.shape}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": rows.nbytes}}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return [base64.b64encode(http_request(INFER, head + rows.tobytes(), headers)).decode()]


def _record(record: dict[str, object]) -> bytes:
    tensor = {"name": "record", "datatype": "BYTES", "shape": [1], "data": [json.dumps(record)]}
    return json.dumps({"inputs": [tensor]}).encode()


def start(name: str, scene: Scene) -> tuple[str, "subprocess.Popen[bytes]", int]:
    """Start a server and wait until it is ready."""
    port = free_port()
    if name == "predictor":
        environment = scene.environment(http_port=port, grpc_port=free_port())
        command = [sys.executable, "-m", "serving", "fraud"]
    else:
        environment = scene.environment()
        command = [sys.executable, "-m", "bench.fraud_serving", "--bare", str(port), "--folder", str(scene.folder)]
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY_ROOT)
    begun = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                return name, process, port
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                process.kill()
                raise RuntimeError(f"{name} did not become ready") from None
            time.sleep(0.2)


def through_servers(scene: Scene, seconds: float, rounds: int) -> tuple[list[Cell], list[str]]:
    """Measure every cell; servers take turns."""
    servers = []
    try:
        servers = [start(name, scene) for name in ("predictor", "bare ASGI")]
        starts = [f"| {name} | {cpu_seconds(one.pid):.1f} | {resident_mib(one.pid):.0f} |" for name, one, _ in servers]
        cells = []
        for path in ("record", "features", "features, 1,000 rows"):
            requests = requests_of(scene, path)
            for connections in CONNECTIONS if "1,000" not in path else (2,):
                runs: dict[str, list[tuple[Seen, float]]] = {name: [] for name, _, _ in servers}
                for number in range(rounds):
                    for name, process, port in servers if number % 2 == 0 else reversed(servers):
                        runs[name].append(drive(process.pid, Plan(port, connections, seconds, requests)))
                cells += [cell(path, connections, name, runs[name]) for name, _, _ in servers]
        return cells, starts
    finally:
        for _, process, _ in servers:
            process.send_signal(signal.SIGTERM)
        for _, process, _ in servers:
            process.wait(60)


def report(batch: dict[str, dict[int, float]], cells: Sequence[Cell], starts: Sequence[str]) -> str:
    """The tables."""
    lines = ["| rows a CPU second, one thread | " + " | ".join(f"batch {size:,}" for size in BATCHES) + " |"]
    lines += ["|---|" + "--:|" * len(BATCHES)]
    lines += [
        f"| {name} | " + " | ".join(f"{rates[size]:,.0f}" for size in BATCHES) + " |" for name, rates in batch.items()
    ]
    lines += ["", *cell_lines(cells), "", "| process | CPU seconds to ready | memory MiB |", "|---|--:|--:|", *starts]
    return "\n".join(lines)


def main() -> None:
    """Set up, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fraud_serving", description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000, help="simulated transactions")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured seconds a cell and round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds a cell")
    parser.add_argument("--folder", type=Path, help="keep what is built here, and use it again")
    parser.add_argument("--build", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build(options.folder, options.rows)
    elif options.bare:
        serve_bare(options.folder, options.bare)
    else:
        with tempfile.TemporaryDirectory(prefix="bench-fraud-") as scratch:
            scene = Scene(options.folder or Path(scratch))
            if not scene.bundle.is_dir():
                command = [sys.executable, "-m", "bench.fraud_serving", "--build", "--folder", str(scene.folder)]
                command += ["--rows", str(options.rows)]
                subprocess.run(command, env=scene.environment(), cwd=REPOSITORY_ROOT, check=True)
            cells, starts = through_servers(scene, options.seconds, options.rounds)
            print(report(batch_scoring(scene, options.seconds), cells, starts))


if __name__ == "__main__":
    main()
