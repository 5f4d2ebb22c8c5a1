"""A real predictor process for tests, and the folders it reads windows and versions from."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from predictor_process import Running, RunningFraud  # noqa: E402


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


@pytest.fixture(scope="session")
def fraud_candidates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small trained candidate of every detector; the network's is a forest."""
    from fraud_kit import DETECTORS_IN_ORDER, train

    folder = tmp_path_factory.mktemp("candidates")
    learners = {"network": "random_forest"}
    return {name: train(folder, name, learners.get(name, "xgboost")) for name in DETECTORS_IN_ORDER}


@pytest.fixture(scope="session")
def fraud(
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
    wait_until: Callable[..., None],
    fraud_candidates: dict[str, Path],
) -> Iterator[RunningFraud]:
    """A predictor that serves version 1 of all three detectors."""
    running = RunningFraud(tmp_path_factory.mktemp("fraud"), free_port(), free_port())
    for name, candidate in fraud_candidates.items():
        running.adopt(candidate, name)
    running.start()
    try:
        models = [f"/v2/models/fraud-{name}" for name in fraud_candidates]
        wait_until(lambda: all(running.status(path) == 200 for path in models), 120, "the predictor's models")
        yield running
    finally:
        running.stop(signal.SIGKILL)
