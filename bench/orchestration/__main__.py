"""What orchestration adds to calls of a predictor: `python -m bench.orchestration [--calls 400] [--rounds 2]`.

A bare server in a process of its own answers at once; a capability calls it with the gateway's client. The same calls
are made directly and by a worker in the same process, eight at a time; CPU is that of this process, its log lines
included, and PostgreSQL's own beside it. `--profile FILE` keeps what cProfile saw of the worker's loop. Prints
Markdown.
"""

import argparse
import asyncio
import cProfile
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.durable.databases import Server, empty_database, postgres
from bench.orchestration.scene import TYPE, call_directly, capability, ended, load, new_run, predictor, working
from bench.orchestration.trips import trips
from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.clients.http import HttpClient
from brain.runs.store import SqlRunStore
from runtime.logs import configure_logging

GRAPHS = (("chain", 1), ("chain", 10), ("chain", 100), ("fan", 10), ("fan", 100))

IDLE_SECONDS, IDLE_RUNS = 8.0, 9


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds a step and seconds of all runs, directly and by the worker; acceptance is a run's."""

    direct_ms: float
    direct_seconds: float
    accept_ms: float
    worker_ms: float
    worker_seconds: float
    server_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.orchestration", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=400, help="calls a cell and round, at least one run")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--graphs", default=",".join(f"{shape}-{steps}" for shape, steps in GRAPHS))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    graphs = [(shape, int(steps)) for shape, _, steps in (one.partition("-") for one in options.graphs.split(","))]
    profile = cProfile.Profile() if options.profile else None
    print(f"load of the machine before: {load()[0]:.1f}\n")
    with Path(os.devnull).open("w") as nowhere:
        configure_logging("brain-worker", log_format="json", stream=nowhere)
        _tables(options, graphs, profile)
    if profile is not None:
        profile.dump_stats(options.profile)


def _tables(options: argparse.Namespace, graphs: list[tuple[str, int]], profile: cProfile.Profile | None) -> None:
    with predictor() as url, postgres() as server:
        databases: dict[str, Server | None] = {} if options.database == "postgresql" else {"SQLite": None}
        if server is not None and options.database != "sqlite":
            databases["PostgreSQL"] = server
        for name, place in databases.items():
            print(_head(name))
            for shape, steps in graphs:
                runs = max(1, options.calls // steps)
                costs = [uvloop.run(_measure(url, place, shape, steps, runs, profile)) for _ in range(options.rounds)]
                print(_row(shape, steps, runs, costs), flush=True)
            print()
        print("| a worker with nothing to do | CPU ms a second | ms from before acceptance to the first call |")
        print("|---|--:|--:|")
        for name, place in databases.items():
            cpu, milliseconds = uvloop.run(_idle(place))
            print(f"| {name} | {cpu:.1f} | {milliseconds:.0f} |", flush=True)
        print()
        if "PostgreSQL" in databases:
            with empty_database(server) as database:
                print("| on PostgreSQL | round trips |\n|---|--:|")
                print("\n".join(f"| {what} | {count} |" for what, count in trips(database)))


async def _measure(
    url: str, server: Server | None, shape: str, steps: int, runs: int, profile: cProfile.Profile | None
) -> Cost:
    client = HttpClient(connect_seconds=2, connections=8)
    one = capability(client, url)
    try:
        await call_directly(one, shape, steps, 1)
        direct = _Watch()
        await call_directly(one, shape, steps, runs)
        direct.stop()
        with empty_database(server) as database:
            store = SqlRunStore(database)
            _accept(store, shape, steps, 1)
            async with working(database, store, Registry([one])):
                await ended(store, 1)
            accepted = _Watch()
            _accept(store, shape, steps, runs)
            accepted.stop()
            before = server.cpu_seconds() if server else 0.0
            if profile:
                profile.enable()
            worked = _Watch()
            async with working(database, store, Registry([one])):
                await ended(store, 1 + runs)
                worked.stop()
            if profile:
                profile.disable()
            spent = server.cpu_seconds() - before if server else 0.0
            store.close()
    finally:
        await client.aclose()
    calls = runs * steps
    return Cost(
        1e3 * direct.cpu / calls,
        direct.seconds,
        1e3 * accepted.cpu / runs,
        1e3 * worked.cpu / calls,
        worked.seconds,
        1e3 * spent / calls,
    )


async def _idle(server: Server | None) -> tuple[float, float]:
    """CPU milliseconds a second without work, and the median time until an accepted run's first call."""
    called = asyncio.Event()

    async def answer(_call: Call) -> Answer:
        called.set()
        return Answer({})

    one = Capability(TYPE, "Prediction", "bench", None, lambda _parameters: Estimate(0.01, 1), handler=answer)
    with empty_database(server) as database:
        store = SqlRunStore(database)
        async with working(database, store, Registry([one])):
            await asyncio.sleep(1)
            watch = _Watch()
            await asyncio.sleep(IDLE_SECONDS)
            watch.stop()
            waited = []
            for _ in range(IDLE_RUNS):
                called.clear()
                began = time.perf_counter()
                await asyncio.to_thread(store.create, new_run("chain", 1))
                await called.wait()
                waited.append(1e3 * (time.perf_counter() - began))
                await asyncio.sleep(0.3)
        store.close()
    return 1e3 * watch.cpu / watch.seconds, statistics.median(waited)


def _accept(store: SqlRunStore, shape: str, steps: int, runs: int) -> None:
    for _ in range(runs):
        store.create(new_run(shape, steps))


class _Watch:
    """CPU and seconds from here to `stop`."""

    def __init__(self) -> None:
        self.cpu, self.seconds = -time.process_time(), -time.perf_counter()

    def stop(self) -> None:
        self.cpu += time.process_time()
        self.seconds += time.perf_counter()


def _head(name: str) -> str:
    columns = [
        name,
        "directly, CPU ms a step",
        "orchestrated",
        "ratio",
        "of PostgreSQL",
        "to accept a run, CPU ms",
        "steps/s directly",
        "steps/s",
        "runs/s",
    ]
    return f"| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}"


def _row(shape: str, steps: int, runs: int, costs: list[Cost]) -> str:
    middle = {name: statistics.median(getattr(one, name) for one in costs) for name in Cost.__annotations__}
    server = f"{middle['server_ms']:.2f}" if middle["server_ms"] else ""
    return (
        f"| {shape} of {steps} | {middle['direct_ms']:.2f} | {middle['worker_ms']:.2f} "
        f"| {middle['worker_ms'] / middle['direct_ms']:.1f} | {server} | {middle['accept_ms']:.2f} "
        f"| {runs * steps / middle['direct_seconds']:.0f} | {runs * steps / middle['worker_seconds']:.0f} "
        f"| {runs / middle['worker_seconds']:.1f} |"
    )


if __name__ == "__main__":
    main()
