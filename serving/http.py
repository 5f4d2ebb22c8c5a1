"""The predictor's own HTTP routes, in plain ASGI, in front of KServe's application.

Inference takes the short way: bytes to arrays, arrays to bytes, no web framework and no model classes in between.
Everything else (KServe's metadata, health and repository routes, cloud events) goes on to KServe.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson

from runtime.logs import get_logger
from runtime.metrics import exposition
from runtime.tracing import parse
from serving import codec_v1, codec_v2
from serving.asgi import (
    Headers,
    Request,
    Response,
    caller_alive,
    closing,
    error_response,
    read_body,
    request_id_of,
    send_response,
    text,
)
from serving.errors import (
    INTERNAL,
    CallerGoneError,
    MalformedError,
    PredictorError,
    unknown_name,
)
from serving.gate import Gate
from serving.metrics import PredictorMetrics
from serving.served import Served
from serving.settings import PredictorSettings
from serving.tensors import Call

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""What probes and scrapers ask for, without a key."""

CALLER_GONE = 499
"""Counted for a request whose caller hung up; nobody sees it as an answer."""

_CLOUD_EVENT = b"application/cloudevents+json"

logger = get_logger(__name__)


class Front:
    """The ASGI application of a predictor.

    Args:
        kserve: KServe's application, for everything that is not answered here.
        served: The version in service.
        gate: Who is let in.
        metrics: Told of every prediction.
        settings: Name and limits.
    """

    def __init__(
        self, kserve: "ASGIApp", served: Served, gate: Gate, metrics: PredictorMetrics, settings: PredictorSettings
    ) -> None:
        self._kserve, self._served, self._gate, self._metrics = kserve, served, gate, metrics
        self._name = settings.model_name
        self._limit = settings.body_limit_bytes
        self._version_prefix = f"/v2/models/{self._name}/versions/"
        self._gets = {
            "/health": self._health,
            "/ready": self._ready,
            "/v2/health/ready": self._kserve_ready,
            "/metrics": self._exposition,
            f"/v2/models/{self._name}": self._metadata,
        }
        self._posts: dict[str, tuple[str, Callable[[Request], Awaitable[Response]]]] = {
            f"/v2/models/{self._name}/infer": ("v2", self._infer_v2),
            f"/v1/models/{self._name}:predict": ("v1", self._predict_v1),
        }

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one connection's request."""
        if scope["type"] != "http":
            await self._kserve(scope, receive, send)
            return
        if self._served.draining:
            send = closing(send)
        begun = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        request_id = request_id_of(headers)
        protocol = ""
        try:
            path, method = scope["path"], scope["method"]
            self._check(path, headers)
            found = self._route(path, headers) if method == "POST" else None
            if found is not None:
                protocol, answer = found
                left = self._gate.seconds_left(text(headers, b"x-deadline"))
                response = await answer(Request(headers, receive, request_id, left))
            elif method == "GET" and path in self._gets:
                response = self._gets[path]()
            else:
                await self._kserve(scope, receive, send)
                return
        except CallerGoneError:
            self._metrics.answered(protocol, CALLER_GONE, time.perf_counter() - begun)
            return
        except PredictorError as error:
            response = error_response(error)
            if error.status >= 500:
                self._log(error, headers, request_id)
        except Exception as error:  # noqa: BLE001 - the last line: callers get an answer without the exception's text
            response = error_response(PredictorError(INTERNAL))
            self._log(error, headers, request_id)
        await send_response(send, response, request_id)
        if protocol:
            self._metrics.answered(protocol, response.status, time.perf_counter() - begun)

    def _check(self, path: str, headers: Headers) -> None:
        if path not in OPEN_PATHS:
            self._gate.check_key(text(headers, b"authorization"), text(headers, b"x-api-key"))
        self._gate.check_host(text(headers, b"host"))

    def _route(self, path: str, headers: Headers) -> tuple[str, Callable[[Request], Awaitable[Response]]] | None:
        found = self._posts.get(path)
        if found is None:
            if not (path.startswith(self._version_prefix) and path.endswith("/infer")):
                return None
            self._check_version(path[len(self._version_prefix) : -len("/infer")])
            found = self._posts[f"/v2/models/{self._name}/infer"]
        if b"ce-specversion" in headers or headers.get(b"content-type") == _CLOUD_EVENT:
            return None
        if codec_v2.BINARY_HEADER in headers:
            return "v2_raw", found[1]
        return found

    def _check_version(self, version: str) -> None:
        served = self._served.require().version
        if version != served:
            raise unknown_name(f"version of {self._name}", version, [served])

    async def _infer_v2(self, request: Request) -> Response:
        predictor = self._served.require()
        length = request.headers.get(codec_v2.BINARY_HEADER)
        if length is not None and not length.isdigit():
            raise MalformedError(f"Inference-Header-Content-Length is {length[:40]!r}; expected a number of bytes")
        deadline = asyncio.get_running_loop().time() + request.seconds_left
        body = await read_body(request, self._limit, deadline)
        wire = codec_v2.decode(body, None if length is None else int(length))
        outputs = await predictor.predict(Call(wire.inputs, wire.parameters, deadline, caller_alive(request.receive)))
        content, json_bytes = codec_v2.encode(
            request=wire,
            request_id=request.request_id,
            model_name=self._name,
            model_version=predictor.version,
            parameters=predictor.parameters,
            outputs=outputs,
        )
        if json_bytes is None:
            return Response(content)
        return Response(content, 200, b"application/octet-stream", [(codec_v2.BINARY_HEADER, b"%d" % json_bytes)])

    async def _predict_v1(self, request: Request) -> Response:
        predictor = self._served.require()
        deadline = asyncio.get_running_loop().time() + request.seconds_left
        inputs, parameters = codec_v1.decode(await read_body(request, self._limit, deadline), predictor.inputs)
        outputs = await predictor.predict(Call(inputs, parameters, deadline, caller_alive(request.receive)))
        rows = next(iter(inputs.values())).shape[0]
        return Response(
            codec_v1.encode(
                model_name=self._name,
                model_version=predictor.version,
                parameters=predictor.parameters,
                outputs=outputs,
                rows=rows,
            )
        )

    def _health(self) -> Response:
        return Response(b'{"status":"alive"}')

    def _ready(self) -> Response:
        report = orjson.dumps(self._served.report())
        return Response(report) if self._served.ready else Response(report, 503, headers=[(b"retry-after", b"2")])

    def _kserve_ready(self) -> Response:
        if self._served.ready:
            return Response(b'{"ready":true}')
        return Response(orjson.dumps({"error": self._served.reason}), 503, headers=[(b"retry-after", b"2")])

    def _metadata(self) -> Response:
        predictor = self._served.require()
        return Response(
            orjson.dumps(
                {
                    "name": self._name,
                    "versions": [predictor.version],
                    "platform": "onnxruntime_onnx",
                    "inputs": [spec.as_dict() for spec in predictor.inputs],
                    "outputs": [spec.as_dict() for spec in predictor.outputs],
                    "properties": {**predictor.properties},
                }
            )
        )

    def _exposition(self) -> Response:
        predictor = self._served.predictor
        self._metrics.state(
            ready=self._served.ready,
            health=self._served.health,
            waiting_rows=predictor.waiting_rows if predictor else 0,
        )
        body, content_type = exposition()
        return Response(body, 200, content_type.encode())

    def _log(self, error: Exception, headers: Headers, request_id: str) -> None:
        trace = parse(text(headers, b"traceparent"))
        ids = {"request_id": request_id, "trace_id": trace.trace_id if trace else ""}
        if isinstance(error, PredictorError):
            logger.warning("request failed", status=error.status, reason=error.message, **ids)
        else:
            logger.error("request failed", status=500, exc_info=error, **ids)
