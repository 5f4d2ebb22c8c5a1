"""Conditions and references that take long to look at, while the worker's loop has other things to do."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from brain.orchestration import agenda
from brain.runs import NewTask

SUM_IS_ONE = {"ref": "${tasks.a.result.sum}", "op": "eq", "value": 1}


class Gate:
    """Lets nobody through until the loop says so; who holds the loop up waits in vain."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.was_opened: list[bool] = []

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def gated(*given: Any) -> Any:
            self.entered.set()
            self.was_opened.append(self.opened.wait(5))
            return work(*given)

        return gated


@pytest.mark.parametrize("name", ["evaluate", "resolved"])
async def test_the_loop_goes_on_while_conditions_and_references_are_looked_at(
    floor: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    gate = Gate()
    monkeypatch.setattr(agenda, name, gate.before(getattr(agenda, name)))
    run = floor.accept(
        NewTask("a", "add", {"left": 1}),
        NewTask("b", "add", {"left": "${tasks.a.result.sum}"}, ("a",), options={"when": SUM_IS_ONE}),
    )
    async with floor.working():
        assert await asyncio.to_thread(gate.entered.wait, 10)
        gate.opened.set()
        ended = await floor.ended(run.id)
    assert ended.state == "succeeded" and floor.tasks(run.id)["b"].result == {"sum": 1.0}
    assert gate.was_opened and all(gate.was_opened)


async def test_a_run_that_is_cancelled_while_its_conditions_are_looked_at_calls_nobody_for_them(
    floor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(agenda, "evaluate", gate.before(agenda.evaluate))
    run = floor.accept(
        NewTask("a", "add", {"left": 1}),
        NewTask("b", "add", {"left": 2}, ("a",), options={"when": SUM_IS_ONE}),
    )
    async with floor.working():
        assert await asyncio.to_thread(gate.entered.wait, 10)
        floor.store.ask_cancel(run.id)
        gate.opened.set()
        ended = await floor.ended(run.id)
    assert ended.state == "cancelled" and f"{run.id}/b" not in floor.toys.calls
