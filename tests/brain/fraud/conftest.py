"""A gateway in this process with a decision log of its own, and the predictor's side of the wire."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest


@pytest.fixture
async def desk(open_gateway: Callable[..., Any], predictor: Any) -> AsyncIterator[Any]:
    """The gateway; `desk.client` asks it, `desk.services.fraud` is what stands behind."""
    yield await open_gateway(predictor.url)


@pytest.fixture
def wire_fraud(predictor: Any) -> Any:
    """What the fraud models answer in this test."""
    return predictor.predictor.fraud
