"""What the predictor is measured against: `python -m bench.serving.rivals fastapi|bare PORT BUNDLE`.

Both answer the same V2 requests from the same ONNX session with the same tensors, and both leave out what a predictor
owes its callers: limits, keys, deadlines, checks of types and values, versions, metrics.

- `fastapi` is a plain FastAPI application as one would write it with care: bodies parsed with orjson, the model and
  Feast called in its thread pool, one call a request.
- `bare` is an ASGI function with this repository's micro-batcher and window look-up.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson
import uvicorn

from feature_repo.crypto import FEATURE_NAMES, WINDOW_BARS, feature_digest
from feature_repo.online import FeastWindowReader
from runtime.bundle import read_bundle
from serving.batcher import MicroBatcher, ModelThread
from serving.crypto_rows import SeriesRow, SeriesRows, series_tensors
from serving.crypto_wire import SeriesIndex
from serving.lookup import WindowLookup
from serving.session import OnnxModel
from serving.tensors import Tensor

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

LENGTH = "inference-header-content-length"


class Parts:
    """The session, the rows and the reader that both rivals share with the predictor."""

    def __init__(self, folder: Path) -> None:
        bundle = read_bundle(folder)
        manifest = bundle.manifest
        self.model = OnnxModel(
            folder / "model.onnx",
            input_name="window",
            output_name="quantiles",
            row_shape=(manifest.window_bars, len(FEATURE_NAMES)),
            answer_shape=(manifest.horizon_bars, len(manifest.quantile_levels)),
        )
        self.index = SeriesIndex(manifest.symbols)
        self.rows = SeriesRows(bundle, WINDOW_BARS)
        self.levels = np.array(manifest.quantile_levels, np.float32)
        self.reader = FeastWindowReader(feature_digest())


def parse(body: bytes, length: str | None) -> tuple[str, object]:
    """Name and content of the one input: an array for `window`, strings for `symbol`."""
    if length is not None:
        head = orjson.loads(body[: int(length)])["inputs"][0]
        return "window", np.frombuffer(body, np.float32, offset=int(length)).reshape(head["shape"])
    head = orjson.loads(body)["inputs"][0]
    if head["name"] == "symbol":
        return "symbol", head["data"]
    return "window", np.array(head["data"], np.float32).reshape(head["shape"])


def answer(parts: Parts, quantiles: np.ndarray, rows: Sequence[SeriesRow], raw: bool) -> tuple[bytes, dict[str, str]]:
    """The body and its headers; `raw` puts the tensors behind the JSON."""
    tensors = [Tensor.of("quantiles", quantiles), Tensor.of("quantile_levels", parts.levels)]
    if rows:
        tensors += series_tensors(rows, 0)
    described: list[dict[str, object]] = []
    tail: list[bytes] = []
    for one in tensors:
        entry: dict[str, object] = {"name": one.name, "datatype": one.datatype, "shape": one.shape}
        if raw and isinstance(one.data, np.ndarray):
            tail.append(one.data.tobytes())
            entry["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            entry["data"] = one.data.ravel() if isinstance(one.data, np.ndarray) else one.data
        described.append(entry)
    document = {"model_name": "m", "model_version": "1", "outputs": described}
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return (head + b"".join(tail), {LENGTH: str(len(head))}) if tail else (head, {})


def fastapi_app(parts: Parts) -> "FastAPI":
    """Plain FastAPI."""
    from fastapi import FastAPI, Request, Response
    from fastapi.concurrency import run_in_threadpool

    app = FastAPI()

    def predict(kind: str, content: object) -> tuple[np.ndarray, list[SeriesRow]]:
        if kind == "window":
            return parts.model(content), []  # type: ignore[arg-type]
        ids = [parts.index.unique_id(symbol) for symbol in content]  # type: ignore[attr-defined]
        rows = [parts.rows.row(one, window) for one, window in zip(ids, parts.reader.read(ids), strict=True) if window]
        return parts.model(np.stack([row.window for row in rows])), rows

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v2/models/{name}/infer")
    async def infer(name: str, request: Request) -> Response:
        length = request.headers.get(LENGTH)
        kind, content = parse(await request.body(), length)
        quantiles, rows = await run_in_threadpool(predict, kind, content)
        body, headers = answer(parts, quantiles, rows, length is not None)
        return Response(body, media_type="application/json", headers=headers)

    return app


def bare_app(parts: Parts) -> "ASGIApp":
    """An ASGI function with the micro-batcher."""
    batcher = MicroBatcher(parts.model, ModelThread(), max_rows=64, queue_rows=4096)
    lookup = WindowLookup(parts.reader, ThreadPoolExecutor(1), ttl_seconds=1, grace_seconds=300, clock=time.monotonic)

    async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
        headers: dict[str, str] = {}
        if scope["method"] == "GET":
            body = b"{}"
        else:
            length = dict(scope["headers"]).get(LENGTH.encode())
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            kind, content = parse(body, length and length.decode())
            rows: list[SeriesRow] = []
            if kind == "symbol":
                ids = [parts.index.unique_id(symbol) for symbol in content]  # type: ignore[attr-defined]
                found = await lookup.get(ids)
                rows = [parts.rows.row(one, window) for one, window in zip(ids, found, strict=True) if window]
                content = np.stack([row.window for row in rows])
            deadline = asyncio.get_running_loop().time() + 10
            quantiles = await batcher.submit(content, deadline, lambda: True)  # type: ignore[arg-type]
            body, headers = answer(parts, quantiles, rows, length is not None)
        sent = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        sent += [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        await send({"type": "http.response.body", "body": body})

    return app


def main(kind: str, port: int, bundle: Path) -> None:
    """Serve one rival with the server settings that the predictor has."""
    parts = Parts(bundle)
    app = fastapi_app(parts) if kind == "fastapi" else bare_app(parts)
    uvicorn.run(
        app,
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


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
