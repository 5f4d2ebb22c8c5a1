"""Fraud decisions made by the worker's own desk on the log that a gateway keeps too."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from brain.capabilities import Answer, Call, build_registry
from brain.deadline import Deadline
from brain.worker.parts import WorkerParts, open_parts
from runtime.problems import Problem
from tests.support.receiver import SECRET

CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 90_000}


@pytest.fixture
async def gateway(open_gateway: Callable[..., Any], predictor: Any, receiver: Any) -> Any:
    hooks = {"ops": {"url": receiver.url, "secret": SECRET}}
    return await open_gateway(predictor.url, fraud_webhooks=hooks)


@pytest.fixture
async def parts(gateway: Any) -> AsyncIterator[WorkerParts]:
    """What a worker with the gateway's settings has."""
    async with open_parts(gateway.services.settings, CollectorRegistry()) as opened:
        yield opened


async def analyze(parts: WorkerParts, parameters: dict[str, object], run: str = "run_1", owner: str = "ann") -> Answer:
    handler = build_registry(parts).get("fraud_analysis").handler
    assert handler is not None
    return await handler(Call(run, "t", owner, f"{run}/t", parameters, Deadline.after(10)))


async def test_a_task_is_decided_as_by_the_route_and_stands_in_the_same_log(gateway: Any, parts: WorkerParts) -> None:
    found = (await analyze(parts, {**CARD, "transaction_id": "tx-1"})).result
    assert isinstance(found, dict)
    by_id = (await gateway.client.get(f"/api/v1/fraud/decisions/{found['id']}")).json()
    assert (by_id["transaction_id"], by_id["decision"]) == ("tx-1", "decline")
    by_route = (await gateway.client.post("/api/v1/fraud/analyze", json={**CARD, "transaction_id": "tx-1"})).json()
    assert {**by_route, "latency_ms": 0} == {**found, "latency_ms": 0}


async def test_a_call_that_is_made_again_gives_the_first_decision(parts: WorkerParts) -> None:
    first = await analyze(parts, CARD)
    assert await analyze(parts, CARD) == first
    assert await analyze(parts, CARD, run="run_2") != first


async def test_keys_are_the_owners_own(parts: WorkerParts) -> None:
    first = await analyze(parts, CARD, owner="ann")
    assert await analyze(parts, CARD, owner="bob") != first


async def test_an_alert_that_a_worker_raises_is_delivered_by_the_gateway(
    gateway: Any, parts: WorkerParts, receiver: Any
) -> None:
    found = (await analyze(parts, CARD)).result
    assert isinstance(found, dict)
    async with asyncio.timeout(10):
        while not receiver.got:
            await asyncio.sleep(0.02)
    await asyncio.sleep(1.2)  # a second courier would have looked by now
    assert [alert["id"] for alert in receiver.got] == [found["alert"]["id"]]


async def test_decisions_of_two_desks_about_one_customer_see_one_another(gateway: Any, parts: WorkerParts) -> None:
    async def by_route(number: int) -> Any:
        answer = await gateway.client.post("/api/v1/fraud/analyze", json={**CARD, "amount_minor": 100 + number})
        return answer.json()

    async def by_worker(number: int) -> Any:
        try:
            return (await analyze(parts, {**CARD, "amount_minor": 200 + number}, run=f"run_{number}")).result
        except Problem as problem:
            return problem.document()

    answers = await asyncio.gather(*(one(number) for number in range(6) for one in (by_route, by_worker)))
    refused = [answer for answer in answers if "id" not in answer]
    assert all(answer["status"] == 503 for answer in refused)  # other cases of the customer kept coming in between
    decided = sorted((answer for answer in answers if "id" in answer), key=lambda one: one["sequence"])
    kept = [(await gateway.client.get(f"/api/v1/fraud/decisions/{one['id']}")).json() for one in decided]
    assert len(kept) >= 2
    assert [one["head"] for one in kept] == [0, *(one["sequence"] for one in kept[:-1])]


PROCESS = """
import asyncio, json, sys
from prometheus_client import CollectorRegistry
from brain.capabilities import Call, build_registry
from brain.deadline import Deadline
from brain.fraud.settings import FraudSettings
from brain.settings import BrainSettings
from brain.worker.parts import open_parts

async def main(url, log):
    fraud = FraudSettings(predictor_url=url, database_url=log, mirror_grace_seconds=0)
    async with open_parts(BrainSettings(_env_file=None, fraud=fraud), CollectorRegistry()) as parts:
        handler = build_registry(parts).get("fraud_analysis").handler
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(20):
            case = {"customer_id": f"P{number}", "terminal_id": "TP", "amount_minor": 100 + number}
            answer = await handler(Call("r", f"t{number}", "ann", f"r/t{number}", case, Deadline.after(10)))
            print(json.dumps(answer.result["sequence"]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_write_one_sqlite_log(gateway: Any, predictor: Any, tmp_path: Path) -> None:
    log = f"sqlite:///{tmp_path / 'decisions.db'}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROCESS, predictor.url, log),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdin is not None and process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"go\n")
    own = []
    for number in range(20):
        body = {"customer_id": f"G{number}", "terminal_id": "TG", "amount_minor": 100 + number}
        own.append((await gateway.client.post("/api/v1/fraud/analyze", json=body)).json()["sequence"])
    told, _ = await process.communicate()
    others = [int(line) for line in told.split()]
    assert process.returncode == 0
    assert (len(own), len(others)) == (20, 20)
    assert sorted([*own, *others]) == list(range(1, 41))
    assert own == sorted(own) and others == sorted(others)


async def test_a_case_that_is_none_is_refused_for_good(parts: WorkerParts) -> None:
    with pytest.raises(Problem) as refused:
        await analyze(parts, {"customer_id": "C1"})
    assert refused.value.status == 422
