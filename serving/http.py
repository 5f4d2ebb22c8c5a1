"""The predictor's own HTTP routes, in plain ASGI, in front of KServe's application.

Inference takes the short way of `serving.model_routes`. Everything else (KServe's metadata, health and repository
routes, cloud events) goes on to KServe.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from runtime.logs import get_logger
from runtime.metrics import exposition
from runtime.tracing import parse
from serving import codec_v2
from serving.asgi import Headers, Request, Response, closing, error_response, request_id_of, send_response, text
from serving.errors import INTERNAL, CallerGoneError, PredictorError
from serving.gate import Gate
from serving.metrics import PredictorMetrics
from serving.model_routes import Answer, ModelRoutes
from serving.served import ServedModels
from serving.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""What probes and scrapers ask for, without a key."""

CALLER_GONE = 499
"""Counted for a request whose caller hung up; nobody sees it as an answer."""

Route = tuple[str, Answer, PredictorMetrics]
"""Protocol, what answers, and what counts it."""

_CLOUD_EVENT = b"application/cloudevents+json"

logger = get_logger(__name__)


class Front:
    """The ASGI application of a predictor.

    Args:
        kserve: KServe's application, for everything that is not answered here.
        models: The versions in service.
        gate: Who is let in.
        metrics: Model name to what is told of its predictions.
        settings: Limits.
    """

    def __init__(
        self,
        kserve: "ASGIApp",
        models: ServedModels,
        gate: Gate,
        metrics: Mapping[str, PredictorMetrics],
        settings: ServerSettings,
    ) -> None:
        self._kserve, self._models, self._gate = kserve, models, gate
        limit = settings.body_limit_bytes
        self._routes = [ModelRoutes(served, metrics[served.model_name], limit) for served in models]
        self._gets = {
            "/health": self._health,
            "/ready": self._ready,
            "/v2/health/ready": self._kserve_ready,
            "/metrics": self._exposition,
            **{routes.metadata_path: routes.metadata for routes in self._routes},
        }
        self._posts: dict[str, Route] = {
            path: (protocol, answer, routes.metrics)
            for routes in self._routes
            for path, (protocol, answer) in routes.posts.items()
        }

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one connection's request."""
        if scope["type"] != "http":
            await self._kserve(scope, receive, send)
            return
        if self._models.draining:
            send = closing(send)
        begun = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        request_id = request_id_of(headers)
        protocol, metrics = "", None
        try:
            path, method = scope["path"], scope["method"]
            self._check(path, headers)
            found = self._route(path, headers) if method == "POST" else None
            if found is not None:
                protocol, answer, metrics = found
                left = self._gate.seconds_left(text(headers, b"x-deadline"))
                response = await answer(Request(headers, receive, request_id, left))
            elif method == "GET" and path in self._gets:
                response = self._gets[path]()
            else:
                await self._kserve(scope, receive, send)
                return
        except CallerGoneError:
            _count(metrics, protocol, CALLER_GONE, begun)
            return
        except PredictorError as error:
            response = error_response(error)
            if error.status >= 500:
                self._log(error, headers, request_id)
        except Exception as error:  # noqa: BLE001 - the last line: callers get an answer without the exception's text
            response = error_response(PredictorError(INTERNAL))
            self._log(error, headers, request_id)
        await send_response(send, response, request_id)
        _count(metrics, protocol, response.status, begun)

    def _check(self, path: str, headers: Headers) -> None:
        if path not in OPEN_PATHS:
            self._gate.check_key(text(headers, b"authorization"), text(headers, b"x-api-key"))
        self._gate.check_host(text(headers, b"host"))

    def _route(self, path: str, headers: Headers) -> Route | None:
        found = self._posts.get(path)
        if found is None:
            found = self._versioned(path)
            if found is None:
                return None
        if b"ce-specversion" in headers or headers.get(b"content-type") == _CLOUD_EVENT:
            return None
        if codec_v2.BINARY_HEADER in headers:
            return "v2_raw", found[1], found[2]
        return found

    def _versioned(self, path: str) -> Route | None:
        for routes in self._routes:
            if path.startswith(routes.version_prefix) and path.endswith("/infer"):
                routes.check_version(path[len(routes.version_prefix) : -len("/infer")])
                return "v2", routes.infer_v2, routes.metrics
        return None

    def _health(self) -> Response:
        return Response(b'{"status":"alive"}')

    def _ready(self) -> Response:
        report = orjson.dumps(self._models.report())
        return Response(report) if self._models.ready else Response(report, 503, headers=[(b"retry-after", b"2")])

    def _kserve_ready(self) -> Response:
        if self._models.ready:
            return Response(b'{"ready":true}')
        return Response(orjson.dumps({"error": self._models.reason}), 503, headers=[(b"retry-after", b"2")])

    def _exposition(self) -> Response:
        for routes in self._routes:
            routes.publish()
        body, content_type = exposition()
        return Response(body, 200, content_type.encode())

    def _log(self, error: Exception, headers: Headers, request_id: str) -> None:
        trace = parse(text(headers, b"traceparent"))
        ids = {"request_id": request_id, "trace_id": trace.trace_id if trace else ""}
        if isinstance(error, PredictorError):
            logger.warning("request failed", status=error.status, reason=error.message, **ids)
        else:
            logger.error("request failed", status=500, exc_info=error, **ids)


def _count(metrics: PredictorMetrics | None, protocol: str, status: int, begun: float) -> None:
    if metrics is not None:
        metrics.answered(protocol, status, time.perf_counter() - begun)
