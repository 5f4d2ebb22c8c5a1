"""What the how-to shows is what the gateway takes."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brain.capabilities import Registry
from brain.l20.coordination import coordination
from brain.orchestration.request import CoordinateRequest, OrchestrateRequest
from brain.orchestration.submission import Submission, orchestration

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "orchestrate.md").read_text()
BODIES = [*re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL), *re.findall(r"-d '(.*?)'\n", PAGE)]


def test_the_page_has_bodies() -> None:
    assert len(BODIES) == 4


@pytest.mark.parametrize("text", BODIES)
def test_each_body_of_the_page_is_accepted(text: str, registry: Registry) -> None:
    body, by = json.loads(text), Submission("ann", datetime.now(UTC))
    if "domains" in body:
        assert coordination(CoordinateRequest.model_validate(body), registry, by).tasks
    else:
        assert orchestration(OrchestrateRequest.model_validate(body), registry, by).tasks
