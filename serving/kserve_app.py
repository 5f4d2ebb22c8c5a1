"""KServe's REST application with errors that tell a caller what was wrong and nothing of our insides."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ModelNotReady, ServerNotReady
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from runtime.logs import get_logger
from serving.asgi import error_response
from serving.errors import INTERNAL, MalformedError, PredictorError, UnavailableError
from serving.served import ServedModels

if TYPE_CHECKING:
    from fastapi import FastAPI

Handler = Callable[[Request, Exception], Awaitable[Response]]

logger = get_logger(__name__)


class RestServer(RESTServer):  # type: ignore[misc]
    """KServe's routes without its timing middleware, and with our error answers in place of its own."""

    models: ServedModels

    def _add_middlewares(self, app: "FastAPI") -> None:
        """None: KServe's writes log lines for every request."""

    def _add_exception_handlers(self, app: "FastAPI") -> None:
        handler = answer_errors(self.models)
        kinds = (PredictorError, InvalidInput, ModelNotReady, ServerNotReady, RequestValidationError, HTTPException)
        for kind in (*kinds, NotImplementedError, Exception):
            app.add_exception_handler(kind, handler)


def answer_errors(models: ServedModels) -> Handler:
    """One handler for whatever leaves KServe's routes."""

    async def answer(request: Request, error: Exception) -> Response:
        told = _for_caller(error, models)
        if told.status >= 500 and not isinstance(error, PredictorError | ModelNotReady | ServerNotReady):
            logger.error("request failed", path=request.url.path, exc_info=error)
        wire = error_response(told)
        headers = {name.decode(): value.decode() for name, value in wire.headers}
        return Response(wire.body, wire.status, headers, media_type="application/json")

    return answer


def _for_caller(error: Exception, models: ServedModels) -> PredictorError:
    if isinstance(error, PredictorError):
        return error
    if isinstance(error, InvalidInput):
        return MalformedError(str(error))
    if isinstance(error, ModelNotReady):
        return UnavailableError(models.get(error.model_name).reason or str(error), retry_after_seconds=2)
    if isinstance(error, ServerNotReady):
        return UnavailableError(models.reason or str(error), retry_after_seconds=2)
    if isinstance(error, RequestValidationError):
        return MalformedError("the request has the wrong form; see the protocol's description")
    if isinstance(error, HTTPException):
        return _with_status(error.status_code, str(error.detail))
    if isinstance(error, NotImplementedError):
        return _with_status(501, "this predictor does not do that")
    return PredictorError(INTERNAL)


def _with_status(status: int, message: str) -> PredictorError:
    told = PredictorError(message)
    told.status = status
    return told
