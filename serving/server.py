"""One predictor process: KServe's model server on addresses of our choosing, watched, drained and quiet."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import kserve

from runtime.asgi import BodyLimitMiddleware, RequestContextMiddleware
from runtime.logs import get_logger
from runtime.problems import WireResponse
from serving.asgi import error_response
from serving.errors import TooLargeError
from serving.gate import Gate
from serving.grpc_server import GrpcServer
from serving.http import Front
from serving.kserve_app import RestServer
from serving.kserve_model import ServedDataPlane, ServedModel, ServedRepository
from serving.listener import BACKLOG, listen, stop_listening
from serving.reload import HEALTH_SECONDS, Watcher
from serving.served import Served, ServedModels, health_within
from serving.settings import ServerSettings
from serving.target import ModelTarget

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from runtime.registry.port import ModelRegistry

KEEP_ALIVE_SECONDS = 65

logger = get_logger(__name__)


class PredictorServer(kserve.ModelServer):  # type: ignore[misc]
    """Serves its models until SIGTERM or SIGINT, then drains.

    Args:
        settings: Addresses and limits.
        targets: The models, at least one.
        registry: Makes the registry's client, once; called off the event loop.
    """

    def __init__(
        self,
        settings: ServerSettings,
        targets: Sequence[ModelTarget],
        registry: "Callable[[], ModelRegistry]",
    ) -> None:
        self._settings = settings
        self._metrics = {target.name: target.metrics for target in targets}
        self._gate = Gate(settings)
        served = [Served(target.name, settings.poll_seconds, target.required) for target in targets]
        self.models = ServedModels(served)
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        client = cache(registry)
        self._watchers = [
            Watcher(settings, target, client, one, self._loader) for target, one in zip(targets, served, strict=True)
        ]
        models = [ServedModel(one.model_name, one, self._gate) for one in served]
        wakers = [watcher.look_soon for watcher in self._watchers]
        repository = ServedRepository(list(zip(models, wakers, strict=True)))
        _quiet("kserve", "uvicorn.access")
        super().__init__(
            http_port=settings.http_port,
            grpc_port=settings.grpc_port,
            workers=1,
            registered_models=repository,
            enable_latency_logging=False,
            event_loop="uvloop",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            grace_period=int(settings.drain_timeout_seconds),
        )
        self.dataplane = ServedDataPlane(repository, self.models)

    def run(self) -> None:
        """Serve; return after the drain. Raise PortTakenError where an address is taken."""
        import uvloop

        listener = listen(self._settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self.setup_event_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        grpc = GrpcServer(self._settings, self.dataplane, self.model_repository_extension, self._gate, self._metrics)
        grpc_port = await grpc.start()
        rest = self._rest()
        rest_work = _task(rest.serve(sockets=[listener]))
        watching = [_task(watcher.run()) for watcher in self._watchers]
        work = {rest_work, *watching, *(_task(self._watch_health(served)) for served in self.models)}
        stopped = _task(stop.wait())
        host, port = listener.getsockname()[:2]
        logger.info("listening", host=host, http_port=port, grpc_port=grpc_port, models=list(self._metrics))
        done, _ = await asyncio.wait({*work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await self._drain(rest, rest_work, grpc, listener)
        for task in {*work, stopped} - done:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        self._loader.shutdown(wait=False, cancel_futures=True)
        for task in done - {stopped}:
            task.result()

    async def _drain(
        self, rest: "uvicorn.Server", rest_work: "asyncio.Task[object]", grpc: GrpcServer, listener: socket.socket
    ) -> None:
        """Answer with `Connection: close` for a moment, then take no more, then finish what is in hand."""
        self.models.drain()
        logger.info("draining")
        await asyncio.sleep(self._settings.drain_notice_seconds)
        if rest.started:
            await stop_listening(rest, listener)
        rest.should_exit = True
        timeout = self._settings.drain_timeout_seconds
        await asyncio.gather(grpc.stop(timeout), asyncio.wait({rest_work}, timeout=timeout + 1))
        logger.info("drained")

    async def _watch_health(self, served: Served) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_seconds)
            predictor = served.predictor
            if predictor is not None:
                health = await health_within(predictor, HEALTH_SECONDS)
                if served.predictor is predictor:
                    served.health = health

    def _rest(self) -> "uvicorn.Server":
        """KServe's REST server with our routes in front, nothing written per request, and no signal handlers."""
        rest = RestServer(
            "kserve.model_server:app",
            self.dataplane,
            self.model_repository_extension,
            self.http_port,
            grace_period=self.grace_period,
            event_loop=self.event_loop,
            timeout_keep_alive=self.timeout_keep_alive,
        )
        rest.models = self.models
        rest.create_application()
        behind = RequestContextMiddleware(
            BodyLimitMiddleware(_kserve_app(), self._settings.body_limit_bytes, _too_large)
        )
        config = rest.config
        config.app = Front(behind, self.models, self._gate, self._metrics, self._settings)
        config.host, config.backlog, config.lifespan = self._settings.host, BACKLOG, "off"
        config.proxy_headers = config.access_log = config.server_header = False
        server: uvicorn.Server = rest._server  # noqa: SLF001 - KServe starts it without sockets and with signal handlers of its own
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        return server


def _kserve_app() -> "ASGIApp":
    from kserve.model_server import app

    application: ASGIApp = app
    return application


def _too_large(reason: str) -> WireResponse:
    response = error_response(TooLargeError(reason))
    headers = (("content-type", "application/json"), ("content-length", str(len(response.body))))
    return WireResponse(response.status, headers, response.body)


def _task(coroutine: "Coroutine[object, object, object]") -> "asyncio.Task[object]":
    return asyncio.get_running_loop().create_task(coroutine)


def _quiet(*names: str) -> None:
    """Keep KServe and uvicorn from writing lines for every request, and from replacing the process's log handlers."""
    for name in names:
        noisy = logging.getLogger(name)
        noisy.handlers[:] = [logging.NullHandler()]
        noisy.propagate = name != "uvicorn.access"
        noisy.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").handlers.clear()
