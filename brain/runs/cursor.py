"""Where a page of runs ends, as text that callers hand back."""

import base64
import binascii
import json


def write_cursor(created_us: int, run_id: str) -> str:
    """A cursor after a run."""
    return base64.urlsafe_b64encode(json.dumps([created_us, run_id]).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[int, str]:
    """When the last run of the page before was created, in microseconds since 1970 UTC, and its id.

    Raises:
        ValueError: It is not a cursor.
    """
    try:
        created_us, run_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error) as error:
        raise ValueError(f"{cursor[:40]!r} is not a cursor; send `next` of the page before") from error
    if type(created_us) is not int or not 0 <= created_us < 2**63 or type(run_id) is not str:
        raise ValueError(f"{cursor[:40]!r} is not a cursor; send `next` of the page before")
    return created_us, run_id
