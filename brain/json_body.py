"""JSON bodies, strictly: UTF-8, no NaN or Infinity, no repeated names, and a reason for whatever is refused."""

import json
import math
from collections.abc import Callable, Coroutine

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from runtime.problems import FieldError, Problem, json_pointer

METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class JsonRoute(APIRoute):
    """A route whose body is read strictly before the framework looks at it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        """The framework's handler behind our reading of the body."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            checked = JsonRequest(request.scope, request.receive)
            field = self.body_field
            if field is not None and request.method in METHODS_WITH_BODY:
                await checked.json()
                if field.field_info.is_required() and not await checked.body():
                    raise Problem(400, detail="the body is empty; send a JSON object")
            return await handler(checked)

        return strict


class JsonRequest(Request):
    """A request whose `json()` is strict."""

    async def json(self) -> object:
        """The body; raise a 400, 415 or 422 problem where it is no JSON that we take."""
        if not hasattr(self, "_strict_json"):
            body = await self.body()
            kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if body and not (
                kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
            ):
                detail = f"expected a body of Content-Type application/json, received {kind[:80] or 'none'!r}"
                raise Problem(415, detail=detail)
            self._strict_json = parse_json(body) if body else None
        return self._strict_json


class _NotFinite(float):
    """A number that JSON cannot hold, kept until its place is known."""


def parse_json(body: bytes) -> object:
    """Parse a body.

    Raises:
        Problem: 400 where it is not JSON in UTF-8, 422 where a number is NaN or infinite; the latter with a pointer.
    """
    try:
        document = json.loads(
            body.decode(), parse_constant=_NotFinite, parse_float=_number, object_pairs_hook=_without_repeats
        )
        places = [json_pointer(path) for path in _not_finite(document, ())]
    except UnicodeDecodeError as error:
        raise Problem(400, detail=f"the body is not UTF-8: byte {error.start} cannot be read") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, detail=f"the body is not JSON: {error.msg} at {where}") from error
    except ValueError as error:
        raise Problem(400, detail=f"the body is not JSON that can be taken: {error}") from error
    except RecursionError as error:
        raise Problem(400, detail="the body is nested too deeply; flatten it") from error
    if places:
        detail = "numbers must be finite; received NaN or Infinity"
        raise Problem(422, detail=f"{places[0]}: {detail}", errors=[FieldError(place, detail) for place in places])
    return document


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _NotFinite(value)


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated[:80]!r} stands twice in one object")
    return members


def _not_finite(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    if isinstance(value, _NotFinite):
        return [path]
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in _not_finite(item, (*path, name))]
    if isinstance(value, list):
        return [found for place, item in enumerate(value) for found in _not_finite(item, (*path, place))]
    return []
