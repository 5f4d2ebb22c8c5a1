"""The requests of the specification, which stand beside the repository where they are at hand and are never shipped."""

import json
from typing import Any

import pytest

from runtime.settings import REPOSITORY_ROOT

_FILE = REPOSITORY_ROOT.parent / "shared" / "spec" / "requests.json"


def spec_requests() -> list[dict[str, Any]]:
    """Every request with its method, path and, where it has one, body; the test is skipped where they are not here."""
    if not _FILE.is_file():
        pytest.skip(f"the specification is not here: no {_FILE.name} beside the repository")
    return list(json.loads(_FILE.read_text()))


def spec_body(path: str) -> dict[str, Any]:
    """The body of the one request to a path."""
    (body,) = [one["body"] for one in spec_requests() if one["path"] == path]
    return dict(body)
