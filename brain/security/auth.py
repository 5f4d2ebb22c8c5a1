"""Finds out who a request comes from: an API key, a session, or an address on this machine."""

import time
from collections import OrderedDict
from collections.abc import Callable

from anyio import to_thread
from starlette.datastructures import Headers

from brain.security.keys.port import ApiKey, KeyStore, KeyStoreError
from brain.security.principal import Principal, active
from brain.security.sessions import Sessions
from runtime.api_keys import hash_key
from runtime.logs import get_logger
from runtime.problems import Problem

MAX_KEY_CHARACTERS = 256
MAX_CACHED_KEYS = 4096

_log = get_logger(__name__)


class Authenticator:
    """Checks credentials against the key store and believes a good one for a few seconds.

    Args:
        store: Where keys are kept.
        sessions: Reads the console's cookie; None where nobody needs to log in.
        required: Whether a request without credentials is refused.
        cache_seconds: How long a checked key is believed.
    """

    def __init__(self, store: KeyStore, sessions: Sessions | None, *, required: bool, cache_seconds: float) -> None:
        self.required = required
        self._store = store
        self._sessions = sessions
        self._cache_seconds = cache_seconds
        self._cache: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    async def identify(self, headers: Headers, address: str) -> Principal | None:
        """The caller; None where there are no credentials and they are required.

        Raises:
            Problem: 401 for a key that opens nothing, 503 while the key store does not answer.
        """
        presented = presented_key(headers)
        if presented is not None:
            return Principal.of_key(await self.check(presented))
        cookie = headers.get("cookie")
        if cookie and self._sessions is not None:
            key_id = self._sessions.key_id(cookie)
            key = await self._look_up("id:" + key_id, lambda: self._store.by_id(key_id)) if key_id else None
            if key is not None:
                return Principal.of_key(key, session=True)
        return None if self.required else Principal.of_address(address)

    async def check(self, presented: str) -> ApiKey:
        """The active key with this plain text; raise a 401 problem where there is none."""
        key = None
        if 0 < len(presented) <= MAX_KEY_CHARACTERS:
            digest = hash_key(presented)
            key = await self._look_up(digest, lambda: self._store.by_digest(digest))
        if key is None:
            raise unauthorized("the API key is unknown, revoked or past its end; ask for a new one")
        return key

    async def _look_up(self, name: str, find: Callable[[], ApiKey | None]) -> ApiKey | None:
        found = self._cache.get(name)
        if found is not None and time.monotonic() < found[0]:
            return active(found[1])
        try:
            key = active(await to_thread.run_sync(find))
        except KeyStoreError as error:
            _log.error("the key store does not answer", exc_info=error)
            detail = "API keys cannot be checked now; try again in 2 s"
            raise Problem(503, detail=detail, headers={"Retry-After": "2"}) from error
        self._cache.pop(name, None)
        if key is not None:
            self._cache[name] = (time.monotonic() + self._cache_seconds, key)
            if len(self._cache) > MAX_CACHED_KEYS:
                self._cache.popitem(last=False)
        return key


def presented_key(headers: Headers) -> str | None:
    """The key that a request carries, in `Authorization: Bearer` or `X-API-Key`."""
    authorization = headers.get("authorization")
    if authorization is not None:
        kind, _, value = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise unauthorized("expected Authorization: Bearer KEY, received another kind of credentials")
        return value.strip()
    return headers.get("x-api-key")


def unauthorized(detail: str) -> Problem:
    """A 401 problem that says how to identify oneself."""
    return Problem(401, detail=detail, headers={"WWW-Authenticate": 'Bearer realm="ai-orchestration"'})
