"""Ids of runs: `run_` and a ULID (https://github.com/ulid/spec), so that they sort by the time of their making."""

import re
import secrets
import time

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID = re.compile(f"run_[0-7][{_CROCKFORD}]{{25}}")


def new_run_id() -> str:
    """An id that no other run has: 48 bits of milliseconds since 1970 UTC, then 80 random ones."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "run_" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def is_run_id(text: str) -> bool:
    """Whether a text could name a run."""
    return _ID.fullmatch(text) is not None
