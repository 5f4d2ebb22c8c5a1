from types import SimpleNamespace
from typing import Any, cast

import pytest

from brain.capabilities import Registry, build_registry
from brain.capabilities.parts import Parts


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The platform's own registry; its handlers have nobody to ask."""
    parts: Any = SimpleNamespace(settings=None, predictors={}, fraud=None)
    return build_registry(cast(Parts, parts))
