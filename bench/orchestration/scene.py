"""A predictor that answers at once, a capability that calls it, and a worker in this process that carries runs out."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import httpx
from prometheus_client import CollectorRegistry

from bench.http_client import BODY, HEADERS, SERVER
from bench.processes import free_port
from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.clients.http import HttpClient
from brain.deadline import Deadline
from brain.orchestration.engine import Engine
from brain.runs import NewRun, NewTask
from brain.runs.doorbell import Doorbell
from brain.runs.presence import Beat
from brain.runs.store import SqlRunStore
from brain.worker.settings import WorkerSettings
from brain.worker.shelf import Shelf
from brain.worker.vitals import Vitals
from brain.worker.worker import Worker
from runtime.settings import REPOSITORY_ROOT

TYPE = "prediction"
PLACES = 8
"""Calls of a run, and runs, at a time."""


@contextlib.contextmanager
def predictor() -> Iterator[str]:
    """Address of a bare server in a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/models/m/infer"
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], cwd=REPOSITORY_ROOT) as server:
        try:
            httpx.HTTPTransport(retries=8).handle_request(httpx.Request("POST", url, content=BODY)).close()
            yield url
        finally:
            server.terminate()


def capability(client: HttpClient, url: str) -> Capability:
    """A prediction: one POST, its answer parsed."""

    async def predict(_call: Call) -> Answer:
        answered = await client.send("POST", url, HEADERS, body=BODY, most_bytes=10_000)
        return Answer(json.loads(answered.body))

    return Capability(TYPE, "Prediction", "bench", None, lambda _parameters: Estimate(0.01, 1), handler=predict)


def tasks(shape: str, steps: int) -> list[NewTask]:
    """A chain, each task after the one before, or a fan, where none waits for another."""

    def after(place: int) -> tuple[str, ...]:
        return (f"t{place - 1}",) if shape == "chain" and place else ()

    return [
        NewTask(f"t{place}", TYPE, {"symbol": "BTC"}, after(place), estimate_minor=1, estimate_seconds=0.01)
        for place in range(steps)
    ]


def new_run(shape: str, steps: int) -> NewRun:
    """A run as the gateway submits it."""
    given = tasks(shape, steps)
    asked = {"tasks": [{"id": one.id, "type": one.type, "params": dict(one.parameters)} for one in given]}
    deadline = datetime.now(UTC) + timedelta(hours=1)
    return NewRun(f"run_{uuid.uuid4().hex}", "orchestration", "bench", asked, "digest", given, deadline=deadline)


async def call_directly(one: Capability, shape: str, steps: int, runs: int) -> None:
    """Make the calls of so many runs, as many at a time as the worker makes: runs of a chain, calls of a fan."""
    assert one.handler is not None
    handler, deadline = one.handler, Deadline(time.time() + 3600)
    left = iter(range(runs * steps) if shape == "fan" else range(runs))

    async def work() -> None:
        for number in left:
            for place in range(1 if shape == "fan" else steps):
                await handler(Call(f"run-{number}", f"t{place}", "bench", f"{number}/{place}", {}, deadline))

    await asyncio.gather(*(work() for _ in range(PLACES)))


@contextlib.asynccontextmanager
async def working(url: str, store: SqlRunStore, registry: Registry) -> AsyncIterator[None]:
    """A worker that works while the block runs."""
    settings = WorkerSettings(places=PLACES, parallel_calls=PLACES)
    shelf, doorbell, stop = Shelf(store, settings.database_threads), Doorbell(url), asyncio.Event()
    kinds: Mapping[str, Engine] = {"orchestration": Engine(registry, parallel_calls=PLACES)}
    worker = Worker("bench", shelf, doorbell, kinds, settings, Vitals(60, CollectorRegistry()), Beat("bench"))
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        doorbell.close()
        shelf.close()


async def ended(store: SqlRunStore, runs: int) -> None:
    """Wait until so many runs have succeeded.

    Raises:
        RuntimeError: One ended otherwise.
    """
    while True:
        counts = await asyncio.to_thread(store.counts)
        states = {state: 0 for _, state, _ in counts.runs}
        for (_, state, _), number in counts.runs.items():
            states[state] += number
        if states.get("failed") or states.get("cancelled"):
            raise RuntimeError(f"of {runs} runs some did not succeed: {states}")
        if states.get("succeeded", 0) >= runs:
            return
        await asyncio.sleep(0.1)


def load() -> Sequence[float]:
    """What else the machine does: the load averages."""
    return os.getloadavg()
