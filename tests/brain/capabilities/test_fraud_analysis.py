"""Fraud decisions made by the worker's own desk on the log that a gateway keeps too."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from brain.capabilities import Answer, Call, build_registry
from brain.capabilities.equipment import Equipment, build_equipment
from brain.deadline import Deadline
from runtime.problems import Problem

CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 90_000}

_spec = importlib.util.spec_from_file_location(
    "fraud_tests_receiver", Path(__file__).parents[1] / "fraud" / "receiver.py"
)
assert _spec is not None and _spec.loader is not None
receivers = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("fraud_tests_receiver", receivers)
_spec.loader.exec_module(receivers)


@pytest.fixture
def receiver() -> Iterator[Any]:
    started = receivers.Receiver().start()
    yield started
    started.stop()


@pytest.fixture
async def gateway(open_gateway: Callable[..., Any], predictor: Any, receiver: Any) -> Any:
    hooks = {"ops": {"url": receiver.url, "secret": receivers.SECRET}}
    return await open_gateway(predictor.url, fraud_webhooks=hooks)


@pytest.fixture
async def equipment(gateway: Any) -> AsyncIterator[Equipment]:
    """What a worker with the gateway's settings builds for itself."""
    built = build_equipment(gateway.services.settings, CollectorRegistry())
    async with built.running():
        yield built


async def analyze(
    equipment: Equipment, parameters: dict[str, object], run: str = "run_1", owner: str = "ann"
) -> Answer:
    handler = build_registry(equipment).get("fraud_analysis").handler
    assert handler is not None
    return await handler(Call(run, "t", owner, f"{run}/t", parameters, Deadline.after(10)))


async def test_a_task_is_decided_as_by_the_route_and_stands_in_the_same_log(gateway: Any, equipment: Equipment) -> None:
    found = (await analyze(equipment, {**CARD, "transaction_id": "tx-1"})).result
    assert isinstance(found, dict)
    by_id = (await gateway.client.get(f"/api/v1/fraud/decisions/{found['id']}")).json()
    assert (by_id["transaction_id"], by_id["decision"]) == ("tx-1", "decline")
    by_route = (await gateway.client.post("/api/v1/fraud/analyze", json={**CARD, "transaction_id": "tx-1"})).json()
    assert {**by_route, "latency_ms": 0} == {**found, "latency_ms": 0}


async def test_a_call_that_is_made_again_gives_the_first_decision(equipment: Equipment) -> None:
    first = await analyze(equipment, CARD)
    assert await analyze(equipment, CARD) == first
    assert await analyze(equipment, CARD, run="run_2") != first


async def test_keys_are_the_owners_own(equipment: Equipment) -> None:
    first = await analyze(equipment, CARD, owner="ann")
    assert await analyze(equipment, CARD, owner="bob") != first


async def test_an_alert_that_a_worker_raises_is_delivered_by_the_gateway(
    gateway: Any, equipment: Equipment, receiver: Any
) -> None:
    found = (await analyze(equipment, CARD)).result
    assert isinstance(found, dict)
    async with asyncio.timeout(10):
        while not receiver.got:
            await asyncio.sleep(0.02)
    await asyncio.sleep(1.2)  # a second courier would have looked by now
    assert [alert["id"] for alert in receiver.got] == [found["alert"]["id"]]


async def test_decisions_of_two_desks_about_one_customer_see_one_another(gateway: Any, equipment: Equipment) -> None:
    async def by_route(number: int) -> Any:
        answer = await gateway.client.post("/api/v1/fraud/analyze", json={**CARD, "amount_minor": 100 + number})
        return answer.json()

    async def by_worker(number: int) -> Any:
        try:
            return (await analyze(equipment, {**CARD, "amount_minor": 200 + number}, run=f"run_{number}")).result
        except Problem as problem:
            return problem.document()

    answers = await asyncio.gather(*(one(number) for number in range(6) for one in (by_route, by_worker)))
    refused = [answer for answer in answers if "id" not in answer]
    assert all(answer["status"] == 503 for answer in refused)  # other cases of the customer kept coming in between
    decided = sorted((answer for answer in answers if "id" in answer), key=lambda one: one["sequence"])
    kept = [(await gateway.client.get(f"/api/v1/fraud/decisions/{one['id']}")).json() for one in decided]
    assert len(kept) >= 2
    assert [one["head"] for one in kept] == [0, *(one["sequence"] for one in kept[:-1])]


async def test_a_case_that_is_none_is_refused_for_good(equipment: Equipment) -> None:
    with pytest.raises(Problem) as refused:
        await analyze(equipment, {"customer_id": "C1"})
    assert refused.value.status == 422
