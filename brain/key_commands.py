"""`python -m brain keys …`: the commands themselves."""

import contextlib
import json
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from brain.security.keys import SCOPES, ApiKey, open_key_store
from brain.settings import BrainSettings
from runtime.api_keys import generate_key

MAX_NAME_CHARACTERS = 80


def create_key(name: str, scopes: Sequence[str], days: float | None) -> int:
    """Make a key and print it, this once, on standard output.

    Raises:
        ValueError: No scope, an unknown one, or a name or lifetime that cannot be.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        allowed = "; ".join(f"{scope}: {meaning}" for scope, meaning in SCOPES.items())
        raise ValueError(
            f"name at least one scope with --scope; received {unknown or 'none'}; the scopes are {allowed}"
        )
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"a name has 1 to {MAX_NAME_CHARACTERS} printable characters, received {name[:100]!r}")
    if days is not None and not 0 < days <= 3650:
        raise ValueError(f"--days must be more than 0 and at most 3650, received {days}")
    now = datetime.now(UTC)
    plain, digest = generate_key()
    key = ApiKey(
        id=f"key_{secrets.token_hex(6)}",
        name=name,
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    with contextlib.closing(open_key_store(BrainSettings().resolved_database_url)) as store:
        store.add(key, digest)
    sys.stderr.write(f"{key.id} ({key.name}): {', '.join(sorted(key.scopes))}; keep the key, it is not shown again:\n")
    sys.stdout.write(f"{plain}\n")
    return 0


def list_keys(*, as_json: bool) -> int:
    """Print every key without its secret."""
    with contextlib.closing(open_key_store(BrainSettings().resolved_database_url)) as store:
        keys = store.all()
    if as_json:
        sys.stdout.write(json.dumps([_row(key) for key in keys], indent=2) + "\n")
        return 0
    if not keys:
        sys.stderr.write("there are no keys; make one with: python -m brain keys create --name NAME --scope predict\n")
    for key in keys:
        ends = _text(key.revoked_at or key.expires_at) or "-"
        scopes = " ".join(sorted(key.scopes))
        sys.stdout.write(f"{key.id}  {_state(key):<8} {scopes:<24} {ends:<26} {key.name}\n")
    return 0


def revoke_key(key_id: str) -> int:
    """End a key; raise KeyNotFoundError where there is none with this id."""
    with contextlib.closing(open_key_store(BrainSettings().resolved_database_url)) as store:
        key = store.revoke(key_id, datetime.now(UTC))
    sys.stdout.write(f"{key.id} ({key.name}) is revoked; gateways stop taking it within seconds\n")
    return 0


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "state": _state(key),
        "scopes": sorted(key.scopes),
        "created_at": _text(key.created_at),
        "expires_at": _text(key.expires_at),
        "revoked_at": _text(key.revoked_at),
    }


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.is_active(datetime.now(UTC)) else "expired"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
