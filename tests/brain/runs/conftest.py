from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from brain.runs import NewRun, NewTask
from brain.runs.store import SqlRunStore

START_US = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000


class Clock:
    """A clock that a test moves; every look at it takes a microsecond."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * 1_000_000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[SqlRunStore]:
    opened = SqlRunStore(url, clock)
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
