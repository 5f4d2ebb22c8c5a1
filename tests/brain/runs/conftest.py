from collections.abc import Callable, Iterator
from typing import Any

import pytest

from brain.runs import NewRun, NewTask
from brain.runs.store import SqlRunStore
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """Every look at it takes a microsecond."""
    return Clock(look_us=1)


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[SqlRunStore]:
    opened = SqlRunStore(database_url, clock)
    yield opened
    opened.close()


@pytest.fixture
def make() -> Callable[..., NewRun]:
    """A run with two tasks, the second after the first."""

    def build(run_id: str, **changes: Any) -> NewRun:
        tasks = (
            NewTask("a", "toy", {"n": 1}, estimate_minor=5),
            NewTask("b", "toy", {"n": "${tasks.a.result}"}, ("a",)),
        )
        given = {"kind": "orchestration", "owner": "ann", "request": {"of": run_id}, "request_digest": f"d-{run_id}"}
        return NewRun(run_id, **{**given, "tasks": tasks, **changes})

    return build
