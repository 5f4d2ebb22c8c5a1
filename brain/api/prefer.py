"""How long a caller would like to wait for a run: `Prefer`, as RFC 7240 writes it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.request import parse_http_list

MOST_WAIT_SECONDS = 60

_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Wait:
    """How long to wait, and what to say about it in `Preference-Applied`; empty where nobody asked."""

    seconds: int
    applied: str = ""


def wanted_wait(headers: Sequence[str], by_default: int) -> Wait:
    """What the `Prefer` headers of a request ask for.

    `respond-async` does not wait; `wait=N` waits so many seconds, at most 60. Of a preference that comes twice the
    first counts; what cannot be read is as if it were not there.

    Args:
        headers: Values of every `Prefer` header.
        by_default: Seconds to wait where nothing is asked for.
    """
    found: dict[str, str] = {}
    for header in headers:
        for name, value in _preferences(header):
            found.setdefault(name, value)
    if "respond-async" in found:
        return Wait(0, "respond-async")
    asked = found.get("wait", "")
    if _SECONDS.fullmatch(asked) is None:
        return Wait(by_default)
    seconds = min(int(asked), MOST_WAIT_SECONDS)
    return Wait(seconds, f"wait={seconds}")


def _preferences(header: str) -> Iterator[tuple[str, str]]:
    for part in parse_http_list(header):
        preference = part.partition(";")[0]
        name, _, value = preference.partition("=")
        yield name.strip().lower(), value.strip().removeprefix('"').removesuffix('"')
