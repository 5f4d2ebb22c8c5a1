"""Who is let in, and until when their request may run: the same rules for REST and gRPC."""

import math
import time

from runtime.api_keys import verify
from serving.errors import DeadlineError, ForbiddenError, MalformedError, NoKeyError
from serving.settings import ServerSettings, is_loopback

_MAX_KNOWN_KEYS = 1024


class Gate:
    """Checks keys, host names and deadlines."""

    def __init__(self, settings: ServerSettings) -> None:
        self._hashes = settings.api_key_sha256
        self._local_only = is_loopback(settings.host) and not settings.api_key_sha256
        self._default_seconds = settings.default_deadline_seconds
        self._max_seconds = settings.max_deadline_seconds
        self._hosts: dict[str, bool] = {}

    def check_key(self, authorization: str, api_key: str) -> None:
        """Raise NoKeyError unless one of the two headers holds a known key, or none is asked for."""
        if not self._hashes:
            return
        scheme, _, bearer = authorization.partition(" ")
        plain = api_key or (bearer.strip() if scheme.lower() == "bearer" else "")
        if not plain:
            raise NoKeyError("this predictor asks for a key; send it as 'Authorization: Bearer …' or 'X-API-Key'")
        if not any(verify(plain, digest) for digest in self._hashes):
            raise NoKeyError("the key is not known to this predictor")

    def check_host(self, host: str) -> None:
        """On loopback without keys: raise ForbiddenError for a Host that is not this machine.

        A web page that a browser on this machine shows could otherwise reach the predictor by a name of its own that
        resolves to loopback.
        """
        if not self._local_only:
            return
        allowed = self._hosts.get(host)
        if allowed is None:
            allowed = not host or is_loopback(_name(host))
            if len(self._hosts) < _MAX_KNOWN_KEYS:
                self._hosts[host] = allowed
        if not allowed:
            raise ForbiddenError(f"this predictor answers to loopback names only, and was called {host[:80]!r}")

    def seconds_left(self, deadline: str) -> float:
        """Seconds until `X-Deadline` (Unix seconds, decimal), or the default where it is empty.

        Raises:
            MalformedError: It is no number.
            DeadlineError: It has passed.
        """
        if not deadline:
            return self._default_seconds
        try:
            moment = float(deadline)
        except ValueError as error:
            raise MalformedError(f"X-Deadline is {deadline[:40]!r}; expected Unix seconds, decimal") from error
        if not math.isfinite(moment):
            raise MalformedError(f"X-Deadline is {deadline[:40]!r}; expected Unix seconds, decimal")
        left = moment - time.time()
        if left <= 0:
            raise DeadlineError(f"the deadline passed {-left:.3f} s before the request came in")
        return min(left, self._max_seconds)


def _name(host: str) -> str:
    """`host:port` or `[host]:port` without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
