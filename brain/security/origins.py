"""Which names the gateway answers to, and whose pages may make it act.

Both checks hold on loopback too: a page on the internet can point its own name at 127.0.0.1 (DNS rebinding) or post to
it from a person's browser (cross-site request forgery).
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from runtime.problems import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginPolicy:
    """Checks Host and Origin.

    Args:
        host_names: Names that a Host header may carry, without ports; `*` takes any.
        allowed_origins: Origins besides the gateway's own.
    """

    def __init__(self, host_names: Iterable[str], allowed_origins: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in host_names)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)

    def check_host(self, headers: Headers) -> None:
        """Raise a 421 problem where the request is addressed to a name that is not the gateway's."""
        host = headers.get("host", "")
        if "*" not in self._names and host_name(host) not in self._names:
            detail = (
                f"this gateway does not answer to the host {host[:80]!r}; its owner can add it to BRAIN_TRUSTED_HOSTS"
            )
            raise Problem(421, detail=detail)

    def check_origin(self, method: str, headers: Headers, *, session: bool = False) -> None:
        """Raise a 403 problem where a page of another origin asks for a change.

        Args:
            method: Safe methods pass: without CORS headers the page cannot read the answer.
            headers: The request's.
            session: Whether the request came by cookie; then an origin must be given, as every browser does.
        """
        if method in SAFE_METHODS:
            return
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        if origin is None:
            if site in ("cross-site", "same-site") or (session and site != "same-origin"):
                raise _cross_origin("a page that does not say its origin")
            return
        if origin.lower() in self._origins:
            return
        if origin == "null" or urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise _cross_origin(repr(origin[:80]))


def host_name(host: str) -> str:
    """`Example.com:8000` → `example.com`; `[::1]:8000` → `[::1]`."""
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def _cross_origin(origin: str) -> Problem:
    detail = f"requests that act are not taken from {origin}; its origin can be added to BRAIN_ALLOWED_ORIGINS"
    return Problem(403, detail=detail)
