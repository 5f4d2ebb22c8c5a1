"""A real predictor process for tests, and the folders it reads windows and versions from."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from predictor_process import Running  # noqa: E402


@pytest.fixture
def new_running(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Callable[[], Running]]:
    """Makes predictors, not started, with windows of every symbol; they are killed after the test."""
    made: list[Running] = []

    def make() -> Running:
        running = Running(tmp_path_factory.mktemp("predictor"), free_port(), free_port())
        running.windows.fill()
        made.append(running)
        return running

    yield make
    for running in made:
        running.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def predictor(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], wait_until: Callable[..., None]
) -> Iterator[Running]:
    """A predictor that serves version 1 of a small model."""
    running = Running(tmp_path_factory.mktemp("predictor"), free_port(), free_port())
    running.windows.fill()
    running.release("first")
    running.start()
    try:
        wait_until(lambda: running.status() == 200, 60, "the predictor's readiness")
        yield running
    finally:
        running.stop(signal.SIGKILL)
