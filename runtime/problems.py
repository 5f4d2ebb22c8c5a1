"""Errors as callers see them: RFC 9457 problem details."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `pointer` is a JSON pointer (RFC 6901) into the request body."""

    pointer: str
    detail: str


@dataclass(frozen=True)
class WireResponse:
    """A finished HTTP answer: header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(eq=False)
class Problem(Exception):
    """An error with everything a caller is told.

    `detail` says what was wrong, what was received and what to do. `extensions` become further members of the
    document; they may not replace the standard ones.
    """

    status: int
    title: str = ""
    detail: str = ""
    type: str = "about:blank"
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.title = self.title or _phrase(self.status)
        super().__init__(self.detail or self.title)

    def document(self, instance: str = "") -> dict[str, object]:
        """The problem as a JSON object; `instance` is the request's id."""
        body: dict[str, object] = {**self.extensions, "type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if instance:
            body["instance"] = instance
        if self.errors:
            body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        return body


def render(problem: Problem, instance: str = "") -> WireResponse:
    """Turn a problem into bytes."""
    # A caller may send half a surrogate pair, and what names it must still be bytes.
    body = json.dumps(problem.document(instance), ensure_ascii=False, default=str).encode("utf-8", "replace")
    headers = {name.lower(): value for name, value in problem.headers.items()}
    headers |= {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "cache-control": "no-store"}
    return WireResponse(problem.status, tuple(headers.items()), body)


def to_response(problem: Problem, instance: str = "") -> "Response":
    """The same as a Starlette response."""
    from starlette.responses import Response

    wire = render(problem, instance)
    return Response(wire.body, status_code=wire.status, headers=dict(wire.headers))


def json_pointer(parts: Iterable[str | int]) -> str:
    """`("instances", 0, "a/b")` → `/instances/0/a~1b`; no parts point at the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that resembles `name` most, whatever its case, or None if none comes near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def not_found(kind: str, name: str, known: Sequence[str]) -> Problem:
    """404 for a name that is not known, with the nearest one and what can be asked for."""
    close = nearest(name, known)
    hint = f"; did you mean {close!r}?" if close else ""
    listed = f" Known: {', '.join(sorted(known))}." if known else ""
    shown = name if len(name) <= 80 else name[:77] + "..."
    extensions: dict[str, object] = {"known": sorted(known)} | ({"nearest": close} if close else {})
    return Problem(404, detail=f"there is no {kind} {shown!r}{hint or '.'}{listed}", extensions=extensions)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
