"""DBOS beside our own run store: `python -m bench.durable [--runs 200] [--rounds 2] [--only costs,incidents,imports]`.

DBOS is no dependency of the product: run this from an environment that has `dbos==3.4.*` and psutil beside what the
gateway needs, from the repository's root. Without it nothing is measured. PostgreSQL is measured where Debian's is
installed. Prints Markdown.
"""

import argparse
import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterable

from bench.durable import incidents
from bench.durable.costs import IMPORTS, Cost, cost, import_cost, methods
from bench.durable.databases import Server, postgres

INCIDENTS: dict[str, Callable[[Server | None], Iterable[incidents.Finding]]] = {
    "stopped within a step, DBOS": incidents.stopped_dbos,
    "stopped within a step, own": incidents.stopped_own,
    "stopped within a transaction, own": incidents.stalled_own,
    "killed within a step, DBOS": incidents.adoption_dbos,
    "killed within a step, own": incidents.adoption_own,
    "limit of a run that waits, DBOS": incidents.deadline_dbos,
    "upgrade, DBOS": incidents.upgrade_dbos,
    "place of the last of bob's 5 runs after ann's 40": incidents.fair,
    "waiting, DBOS": incidents.waiting,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.durable", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", default="1,10")
    parser.add_argument("--only", default="imports,costs,incidents")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    options = parser.parse_args()
    if importlib.util.find_spec("dbos") is None:
        sys.exit("nothing was measured: dbos is not installed in this environment (see `python -m bench.durable -h`)")
    wanted = options.only.split(",")
    if "imports" in wanted:
        print(_imports(), flush=True)
    with postgres() as server:
        databases: dict[str, Server | None] = {} if options.database == "postgresql" else {"SQLite": None}
        if server is not None and options.database != "sqlite":
            databases["PostgreSQL"] = server
        for name, place in databases.items():
            if "costs" in wanted:
                for steps in (int(one) for one in options.steps.split(",")):
                    print(_costs(name, place, steps, options.runs, options.rounds), flush=True)
            if "incidents" in wanted:
                _incidents(name, place)


def _imports() -> str:
    rows = [f"| {name} | {cpu:.2f} | {mib:.0f} |" for name, (cpu, mib) in _by(IMPORTS, import_cost)]
    return "\n".join(["| import | CPU s | MiB |", "|---|--:|--:|", *rows, ""])


def _by(statements: dict[str, str], measure: Callable[[str], tuple[float, float]]) -> Iterable[tuple[str, tuple]]:
    return ((name, measure(statement)) for name, statement in statements.items())


def _costs(name: str, server: Server | None, steps: int, runs: int, rounds: int) -> str:
    seen: dict[tuple[str, str], list[Cost]] = {}
    for turn in range(rounds):
        for engine, mode in methods(server):
            seen.setdefault((engine, mode), []).append(cost(engine, mode, steps, runs, server, count=turn == 0))
    graph = f"{steps} step{'s' if steps > 1 else ''}, {runs} runs"
    head = f"| {name}, {graph} | CPU ms a run | of PostgreSQL | ms a run | flushes a run |"
    return "\n".join([head, "|---|--:|--:|--:|--:|", *(_row(method, found) for method, found in seen.items()), ""])


def _row(method: tuple[str, str], found: list[Cost]) -> str:
    engine, mode = method
    cpu, of_server, wall = (
        statistics.median(getattr(one, field) for one in found) for field in ("cpu_ms", "server_cpu_ms", "wall_ms")
    )
    flushes = "" if found[0].flushes is None else f"{found[0].flushes:.1f}"
    called = "DBOS" if engine == "by_dbos" else engine
    return f"| {called}, {mode} | {cpu:.1f} | {f'{of_server:.1f}' if of_server else ''} | {wall:.1f} | {flushes} |"


def _incidents(name: str, server: Server | None) -> None:
    print(f"| {name} | | |\n|---|---|---|", flush=True)
    for what, findings in INCIDENTS.items():
        for question, answer in findings(server):
            print(f"| {what} | {question} | {answer} |", flush=True)
    print()


if __name__ == "__main__":
    main()
