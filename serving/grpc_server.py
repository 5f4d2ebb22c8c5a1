"""KServe's gRPC service on an address of our choosing, with our rules for keys, deadlines and errors."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import Message
from grpc import aio
from grpc_interceptor.server import AsyncServerInterceptor
from kserve.errors import InvalidInput, ModelNotReady
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service
from kserve.protocol.grpc.servicer import InferenceServicer

from runtime.logs import get_logger
from serving.codec_v2 import checked_datatype
from serving.errors import INTERNAL, MalformedError, PredictorError, UnavailableError
from serving.gate import Gate
from serving.kserve_model import ServedDataPlane, grpc_seconds_left
from serving.metrics import PredictorMetrics
from serving.settings import ServerSettings

if TYPE_CHECKING:
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

Method = Callable[[Message, aio.ServicerContext], Awaitable[Message]]

_OPEN_METHODS = frozenset({"ServerLive", "ServerReady", "ModelReady"})
_INFER = "ModelInfer"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

logger = get_logger(__name__)


class Servicer(InferenceServicer):  # type: ignore[misc]
    """KServe's servicer, with the versions that it leaves out of the metadata."""

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: aio.ServicerContext) -> Message:  # noqa: N802
        """Tensors, platform and the version served."""
        return pb.ModelMetadataResponse(**await self._data_plane.model_metadata(model_name=request.name))

    async def ModelInfer(self, request: pb.ModelInferRequest, context: aio.ServicerContext) -> Message:  # noqa: N802
        """KServe's, with datatypes checked first: it does not say which are known."""
        for tensor in request.inputs:
            checked_datatype(tensor.name, tensor.datatype)
        return await super().ModelInfer(request, context)

    async def RepositoryModelLoad(  # noqa: N802
        self, request: pb.RepositoryModelLoadRequest, context: aio.ServicerContext
    ) -> Message:
        """Have the registry looked at now."""
        await self._mode_repository_extension.load(model_name=request.model_name)
        return pb.RepositoryModelLoadResponse(model_name=request.model_name, isLoaded=True)


class GateInterceptor(AsyncServerInterceptor):
    """Keys before, status codes after, and nothing of an exception but what is meant for the caller."""

    def __init__(self, gate: Gate, metrics: Mapping[str, PredictorMetrics]) -> None:
        self._gate, self._metrics = gate, metrics

    async def intercept(
        self, method: Method, request_or_iterator: Message, context: aio.ServicerContext, method_name: str
    ) -> Message:
        """Handle one call."""
        begun = time.perf_counter()
        name = method_name.rpartition("/")[2]
        metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        status = 200
        try:
            if name not in _OPEN_METHODS:
                self._gate.check_key(metadata.get("authorization", ""), metadata.get("x-api-key", ""))
            grpc_seconds_left.set(context.time_remaining())
            return await method(request_or_iterator, context)
        except Exception as error:  # noqa: BLE001 - the last line: callers get a status without the exception's text
            told = _for_caller(error)
            status = told.status
            if status >= 500:
                self._log(error, told, name, metadata)
            trailing = (
                (("retry-after", str(max(1, round(told.retry_after_seconds)))),) if told.retry_after_seconds else ()
            )
            await context.abort(grpc.StatusCode[told.grpc_code], told.message, trailing)
        finally:
            if name == _INFER:
                self._count(getattr(request_or_iterator, "model_name", ""), status, time.perf_counter() - begun)

    def _count(self, model: str, status: int, seconds: float) -> None:
        """Names of no model are not counted: they are the caller's, and labels must stay few."""
        metrics = self._metrics.get(model)
        if metrics is not None:
            metrics.answered("grpc", status, seconds)

    def _log(self, error: Exception, told: PredictorError, name: str, metadata: dict[str, str]) -> None:
        given = metadata.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        if told is error:
            logger.warning("call failed", method=name, reason=told.message, request_id=request_id)
        else:
            logger.error("call failed", method=name, exc_info=error, request_id=request_id)


class GrpcServer:
    """The gRPC side of a predictor."""

    def __init__(
        self,
        settings: ServerSettings,
        data_plane: ServedDataPlane,
        repository: "ModelRepositoryExtension",
        gate: Gate,
        metrics: Mapping[str, PredictorMetrics],
    ) -> None:
        # Without so_reuseport=0 a second process would take the same port in silence.
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", settings.body_limit_bytes),
            ("grpc.max_send_message_length", -1),
        ]
        self._server = aio.server(interceptors=(GateInterceptor(gate, metrics),), options=options)
        service.add_GRPCInferenceServiceServicer_to_server(Servicer(data_plane, repository), self._server)
        self._host, self._wanted_port = settings.host, settings.grpc_port

    async def start(self) -> int:
        """Bind and answer; return the port. Raise OSError if it is taken."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            port = int(self._server.add_insecure_port(f"{host}:{self._wanted_port}"))
        except RuntimeError as error:
            raise OSError(
                f"gRPC port {self._wanted_port} of {self._host} is taken; free it or set PREDICTOR_GRPC_PORT"
            ) from error
        await self._server.start()
        return port

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls and give those in hand this long."""
        await self._server.stop(grace_seconds)


def _for_caller(error: Exception) -> PredictorError:
    if isinstance(error, PredictorError):
        return error
    if isinstance(error, InvalidInput):
        return MalformedError(str(error))
    if isinstance(error, ModelNotReady):
        return UnavailableError(str(error), retry_after_seconds=2)
    return PredictorError(INTERNAL)
