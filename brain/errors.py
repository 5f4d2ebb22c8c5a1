"""Turns every error of a route or of the framework into a problem document, in one place."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from runtime.problems import FieldError, Problem, json_pointer, nearest, to_response
from runtime.tracing import current_request_id

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

MAX_SHOWN_CHARACTERS = 80


def install(app: "FastAPI", paths: Sequence[str]) -> None:
    """Make `app` answer its errors as problems; `paths` are those that an unknown one may have been meant for."""

    async def on_problem(_request: "Request", error: Exception) -> "Response":
        return to_response(error if isinstance(error, Problem) else Problem(500), current_request_id())

    async def on_http(request: "Request", error: Exception) -> "Response":
        found = error if isinstance(error, HTTPException) else HTTPException(500)
        return to_response(_of_http(paths, request, found), current_request_id())

    async def on_invalid(_request: "Request", error: Exception) -> "Response":
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        return to_response(invalid(found), current_request_id())

    async def on_fault(_request: "Request", _error: Exception) -> "Response":
        return to_response(internal_error(), current_request_id())

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_fault)


def internal_error() -> Problem:
    """A 500 that says nothing of the fault; its request id leads to the log."""
    return Problem(500, detail="the gateway failed while answering; its log says why under this request id")


def invalid(found: Sequence[Mapping[str, object]]) -> Problem:
    """A 422 problem from pydantic's errors: a pointer, what was wrong and what was received, for each field."""
    errors = [_field_error(error) for error in found]
    detail = "; ".join(f"{e.pointer or 'the request'}: {e.detail}" for e in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return Problem(422, detail=detail + more, errors=errors)


def shown(value: object) -> str:
    """What was received, as short ASCII JSON that is safe to send back."""
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 3] + "..."


def _field_error(error: Mapping[str, object]) -> FieldError:
    location = error.get("loc")
    parts: tuple[str | int, ...] = tuple(location) if isinstance(location, tuple | list) else ()
    place, rest = (str(parts[0]), parts[1:]) if parts else ("body", ())
    message = str(error.get("msg", "is not valid")).removeprefix("Value error, ")
    kind = error.get("type")
    if kind == "extra_forbidden":
        message = "there is no such field"
    elif kind != "missing":
        message += f"; received {shown(error.get('input'))}"
    if place == "body":
        return FieldError(json_pointer(rest), message)
    return FieldError("", f"{place} parameter {'/'.join(map(str, rest))!r}: {message}")


def _of_http(paths: Sequence[str], request: "Request", error: HTTPException) -> Problem:
    headers = dict(error.headers or {})
    if error.status_code == 404:
        close = nearest(request.url.path, paths)
        hint = f"; did you mean {close}?" if close else "."
        shown_path = request.url.path[:MAX_SHOWN_CHARACTERS]
        return Problem(404, detail=f"there is nothing at {shown_path!r}{hint} The API is described at /docs")
    if error.status_code == 405:
        allowed = headers.get("Allow") or headers.get("allow") or "another method"
        detail = f"{request.url.path} does not take {request.method[:20]}; it takes {allowed}"
        return Problem(405, detail=detail, headers=headers)
    return Problem(error.status_code, detail=str(error.detail), headers=headers)
