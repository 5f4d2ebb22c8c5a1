"""Graphs that chance draws, and a death at any commit: what comes of them is what would have come of them anyway."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.orchestration.engine import Engine
from brain.runs import NewRun, NewTask, Run
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore
from brain.worker.held import HeldRun
from brain.worker.port import Outcome
from brain.worker.shelf import Shelf
from runtime.problems import Problem

LEASE_SECONDS = 60.0


class DeadError(Exception):
    """Stands for the end of the process: nothing more of this worker comes after it."""


class Scene:
    """A store with a clock that is moved, workers that die at a commit, and calls that are counted."""

    def __init__(self, path: Path) -> None:
        self._now_us = 1_700_000_000_000_000
        self.store = SqlRunStore(f"sqlite:///{path}", self._clock)
        self.calls: Counter[str] = Counter()
        self._death: tuple[str, int] | None = None
        self._commits = 0
        self._commit = self.store.commit
        self.store.commit = self._mortal  # type: ignore[method-assign]
        self.shelf = Shelf(self.store, 1)
        same = lambda _parameters: Estimate(0.0)  # noqa: E731
        self.registry = Registry(
            [
                Capability("good", "good", "tests", None, same, handler=self._good),
                Capability("bad", "bad", "tests", None, same, handler=self._bad),
            ]
        )

    def _clock(self) -> int:
        self._now_us += 1
        return self._now_us

    async def _good(self, call: Call) -> Answer:
        self.calls[call.key] += 1
        return Answer({"of": call.task_id})

    async def _bad(self, call: Call) -> Answer:
        self.calls[call.key] += 1
        raise Problem(409, detail="never")

    def _mortal(self, *given: Any, **more: Any) -> Run:
        self._commits += 1
        if self._death == ("before", self._commits):
            raise DeadError
        made = self._commit(*given, **more)
        if self._death == ("after", self._commits):
            raise DeadError
        return made

    def work(self, death: tuple[str, int] | None) -> bool:
        """Let a worker take the run and work until it has ended it or died; whether it lived."""
        self._death, self._commits = death, 0
        self._now_us += round(LEASE_SECONDS * 1e6) + 1
        claimed = self.store.claim("w", LEASE_SECONDS, ("orchestration",))
        assert claimed is not None

        async def live() -> None:
            held = HeldRun(self.shelf, claimed, LEASE_SECONDS, time.monotonic())
            outcome = await Engine(self.registry, parallel_calls=2)(held)
            assert isinstance(outcome, Outcome)
            await held.end(outcome)

        try:
            asyncio.run(live())
        except DeadError:
            return False
        return True


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("crashes") / "runs.db")
    yield made
    made.shelf.close()
    made.store.close()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[NewTask, ...]:
    """Up to six tasks, each after some of those before it, some of them ways out of a failure."""
    tasks: list[NewTask] = []
    for number in range(draw(st.integers(1, 6))):
        after = tuple(task.id for task in tasks if draw(st.booleans()))
        options: dict[str, object] = {}
        if after and draw(st.booleans()):
            wanted = draw(st.sampled_from(["succeeded", "failed", "skipped"]))
            options["when"] = {"ref": f"${{tasks.{after[0]}.state}}", "op": "eq", "value": wanted}
        tasks.append(NewTask(f"t{number}", draw(st.sampled_from(["good", "good", "bad"])), {}, after, options))
    return tuple(tasks)


def expected(tasks: Sequence[NewTask]) -> Mapping[str, str]:
    """In which state each task ends, by the words of the design."""
    states: dict[str, str] = {}
    for task in tasks:
        when: Any = task.options.get("when")
        looked_at = when["ref"].split(".")[1] if when else None
        blocked = any(states[name] != "succeeded" for name in task.after if name != looked_at)
        if blocked or (when is not None and states[looked_at] != when["value"]):
            states[task.id] = "skipped"
        else:
            states[task.id] = "succeeded" if task.type == "good" else "failed"
    return states


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs(), st.lists(st.tuples(st.sampled_from(["before", "after"]), st.integers(1, 6)), max_size=2))
def test_a_death_at_any_commit_changes_nothing_of_what_a_graph_comes_to(
    scene: Scene, tasks: tuple[NewTask, ...], deaths: list[tuple[str, int]]
) -> None:
    run_id = scene.store.create(NewRun(new_run_id(), "orchestration", "ann", {}, "d", tasks)).id
    lost: set[tuple[str, int]] = set()
    for death in (*deaths, None):
        if scene.work(death):
            break
        if scene.store.get(run_id).state not in ("running", "cancelling"):
            break  # it died after the end was recorded
        lost |= {(task.id, task.attempt) for task in scene.store.tasks(run_id) if task.state == "running"}
    in_flight = Counter(name for name, _ in lost)
    ended = {task.id: task for task in scene.store.tasks(run_id)}
    states = expected(tasks)
    assert {name: task.state for name, task in ended.items()} == states
    for name, state in states.items():
        calls = scene.calls[f"{run_id}/{name}"]
        if state == "skipped":
            assert calls == 0
        else:
            assert 1 <= calls <= 1 + in_flight[name], f"{name} was called {calls} times"
            assert ended[name].lost == in_flight[name]
    good = {name for name, state in states.items() if state == "succeeded"}
    run = scene.store.get(run_id)
    assert run.result == {name: {"of": name} for name in good}
    failed = any(state == "failed" for state in states.values())
    assert (run.state == "failed") == failed and run.progress.done == len(tasks)
