"""API keys: random, shown once, kept only as a hash.

A key holds 256 random bits, so a fast hash is enough: nobody can try them all. That would not be true of passwords.
"""

import hashlib
import hmac
import re
import secrets

KEY_PREFIX = "aio"

_MAX_KEY_CHARACTERS = 256
_PREFIX = re.compile(r"[a-z][a-z0-9]{0,15}")


def generate_key(prefix: str = KEY_PREFIX) -> tuple[str, str]:
    """Make a key; return it, to be shown once, and the hash to keep.

    The prefix lets people and secret scanners recognise a key; raise ValueError if it is not 1–16 of `a-z0-9`.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"a key prefix is 1 to 16 of a-z0-9, beginning with a letter; received {prefix!r}")
    plain = f"{prefix}_{secrets.token_urlsafe(32)}"
    return plain, hash_key(plain)


def hash_key(plain: str) -> str:
    """SHA-256 of a key, in hex: what is stored and looked up."""
    return hashlib.sha256(plain.encode()).hexdigest()


def verify(plain: str, digest: str) -> bool:
    """Tell whether `digest` is the hash of `plain`, in a time that does not depend on where they differ."""
    if len(plain) > _MAX_KEY_CHARACTERS:
        return False
    return hmac.compare_digest(hash_key(plain).encode(), digest.lower().encode())
