"""The engine on a real store, within one process."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from brain.runs import NewTask, Progress


def _load() -> ModuleType:
    name = "brain_tests_floor"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "worker" / "floor.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


kit = _load()


@pytest.fixture
async def floor(tmp_path: Path) -> Any:
    made = kit.Floor(f"sqlite:///{tmp_path / 'runs.db'}", kit.Toys())
    yield made
    made.store.close()


async def test_results_flow_along_the_edges_and_the_run_ends_with_all_of_them(floor: Any) -> None:
    run, tasks = await floor.carry_out(
        NewTask("a", "add", {"left": 1, "right": 2}),
        NewTask("b", "add", {"left": "${tasks.a.result.sum}", "right": 10}, ("a",)),
        NewTask("c", "add", {"left": 5}),
    )
    assert (run.state, run.reason, run.progress) == ("succeeded", "", Progress(3, 3, "tasks"))
    assert run.result == {"a": {"sum": 3.0}, "b": {"sum": 13.0}, "c": {"sum": 5.0}}
    assert [(one.state, one.attempt, one.cost_minor) for one in tasks.values()] == [("succeeded", 1, 4)] * 3
    assert run.spent_minor == 12 and run.spent_seconds == pytest.approx(sum(one.seconds for one in tasks.values()))
    assert all(count == 1 for count in floor.toys.calls.values()) and len(floor.toys.calls) == 3
    first = floor.toys.seen[0]
    assert (first.key, first.owner, first.attempt, first.run_id) == (f"{run.id}/a", "ann", 1, run.id)
