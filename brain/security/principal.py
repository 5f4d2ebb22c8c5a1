"""Who a request comes from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from brain.security.keys.port import ApiKey
from runtime.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request


@dataclass(frozen=True)
class Principal:
    """A caller: a key, or an address where keys are not asked for."""

    id: str
    """What limits are counted by and logs name: `key_…` or `address:…`."""

    name: str
    scopes: frozenset[str]
    session: bool = False
    """Whether it came by the console's cookie."""

    @classmethod
    def of_key(cls, key: ApiKey, *, session: bool = False) -> "Principal":
        """The holder of a key."""
        return cls(key.id, key.name, key.scopes, session)

    @classmethod
    def of_address(cls, address: str) -> "Principal":
        """Somebody on this machine, where that is enough."""
        return cls(f"address:{address}", "this machine", frozenset({"admin"}))

    def allows(self, scope: str) -> bool:
        """Whether it may do what the scope names."""
        return scope in self.scopes or "admin" in self.scopes


def require(request: "Request", scope: str) -> Principal:
    """The caller, if it has the scope; raise a 403 problem otherwise."""
    principal: Principal = request.state.principal
    if not principal.allows(scope):
        held = ", ".join(sorted(principal.scopes)) or "none"
        detail = f"this needs a key with scope {scope!r}; the key {principal.name!r} has: {held}"
        raise Problem(403, detail=detail, extensions={"scope": scope})
    return principal


def active(key: ApiKey | None) -> ApiKey | None:
    """The key if it opens anything now."""
    return key if key is not None and key.is_active(datetime.now(UTC)) else None
