"""What a caller is told when a prediction cannot be made; nothing else of an exception ever leaves the process."""

from collections.abc import Sequence

from runtime.problems import nearest

INTERNAL = "the predictor failed on this request; its log holds the cause under the request id"


class CallerGoneError(Exception):
    """The caller closed the connection; there is nobody to answer."""


class PredictorError(Exception):
    """An error meant for the caller; `status` is HTTP's and `grpc_code` the name of gRPC's."""

    status = 500
    grpc_code = "INTERNAL"

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class MalformedError(PredictorError):
    """The request cannot be read."""

    status = 400
    grpc_code = "INVALID_ARGUMENT"


class NoKeyError(PredictorError):
    """No API key, or one that is not known."""

    status = 401
    grpc_code = "UNAUTHENTICATED"


class ForbiddenError(PredictorError):
    """The request came by a name this process does not answer to."""

    status = 403
    grpc_code = "PERMISSION_DENIED"


class UnknownNameError(PredictorError):
    """No such model, version or symbol."""

    status = 404
    grpc_code = "NOT_FOUND"


class TooLargeError(PredictorError):
    """The body is over the limit."""

    status = 413
    grpc_code = "RESOURCE_EXHAUSTED"


class InvalidValueError(PredictorError):
    """The request can be read, and a shape, type or value in it is wrong."""

    status = 422
    grpc_code = "INVALID_ARGUMENT"


class QueueFullError(PredictorError):
    """Too many rows wait already."""

    status = 429
    grpc_code = "RESOURCE_EXHAUSTED"


class UnavailableError(PredictorError):
    """No model, or no features, now."""

    status = 503
    grpc_code = "UNAVAILABLE"


class DeadlineError(PredictorError):
    """The caller's deadline passed before there was an answer."""

    status = 504
    grpc_code = "DEADLINE_EXCEEDED"


def unknown_name(kind: str, name: str, known: Sequence[str]) -> UnknownNameError:
    """404 that names the nearest known name and, where they are few, all of them."""
    shown = name if len(name) <= 80 else name[:77] + "..."
    close = nearest(name, known)
    hint = f"; did you mean {close!r}?" if close else ""
    listed = f" Known: {', '.join(sorted(known))}." if 0 < len(known) <= 50 else ""
    return UnknownNameError(f"there is no {kind} {shown!r}{hint or '.'}{listed}")
