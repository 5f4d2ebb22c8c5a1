"""What a commit to the decision log costs: `python -m bench.decision_log [--seconds 5]`.

A real log on SQLite with full flushes, in a folder given by `--folder` (the disk decides), and on the PostgreSQL of
`--postgres URL` if one is given. Every event has two entity keys, a decision of about 4 kB as the gateway writes it,
an idempotency key and, one in fifty, an alert with one target; the heads of its keys are checked. The second table is
what a case costs as the gateway asks: a look and a commit, together with so many others.
"""

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runtime.decision_log import NewAlert, NewCommit, NewEvent, Question
from runtime.decision_log.sql_log import SqlDecisionLog

STREAM = "bench-card"
FEATURES = {f"feature_{number:02d}": 0.1 * number for number in range(60)}


def main() -> None:
    """Print commits and events a second, wall and CPU time of each."""
    arguments = _arguments()
    print("| database | events a commit | threads | events/s | p50 ms | p99 ms | CPU µs an event |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        urls = {"SQLite": f"sqlite:///{folder}/decisions.db"}
        if arguments.postgres:
            urls["PostgreSQL"] = arguments.postgres
        for name, url in urls.items():
            log = SqlDecisionLog(url)
            for size, threads in ((1, 1), (1, 8), (1, 32), (50, 1), (500, 1)):
                print(
                    f"| {name} | {size} | {threads} | {_commits(log, size, threads, arguments.seconds)} |", flush=True
                )
            print("\n| database | cases together | CPU µs of a look | CPU µs of a commit |\n|---|--:|--:|--:|")
            for together in (1, 4, 24):
                print(f"| {name} | {together} | {_cases(log, together, arguments.seconds)} |", flush=True)
            print(_reads(log, name), flush=True)
            log.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row of the table")
    parser.add_argument("--folder", type=Path, help="where the SQLite file stands; by default the temporary folder")
    parser.add_argument("--postgres", default="", help="postgresql://… of an empty database")
    return parser.parse_args()


def _commits(log: SqlDecisionLog, size: int, threads: int, seconds: float) -> str:
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds

    def work(number: int) -> None:
        events = _events(f"{log.head(STREAM)}-{size}-{number}")
        while time.perf_counter() < deadline:
            batch = list(itertools.islice(events, size))
            head = log.head(STREAM)
            heads = {key: head for event in batch for key in event.keys} if threads == 1 else None
            began = time.perf_counter()
            log.commit(batch, heads)
            latencies.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall, spent, events = time.perf_counter() - began, time.process_time() - cpu, len(latencies) * size
    latencies.sort()
    p99 = latencies[int(len(latencies) * 0.99)]
    return (
        f"{events / wall:.0f} | {statistics.median(latencies) * 1e3:.2f} | {p99 * 1e3:.2f} | {spent / events * 1e6:.0f}"
    )


def _cases(log: SqlDecisionLog, together: int, seconds: float) -> str:
    events, looking, committing, done = _events(f"{log.head(STREAM)}-case-{together}"), 0.0, 0.0, 0
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        group = list(itertools.islice(events, together))
        questions = [Question(STREAM, one.keys, one.caller, one.idempotency_key, one.event_id) for one in group]
        head = log.head(STREAM)
        began = time.process_time()
        log.look(questions, max(0, head - 500), 1000)
        looked = time.process_time()
        outcomes = log.commit_many([NewCommit([one], dict.fromkeys(one.keys, head)) for one in group])
        committing += time.process_time() - looked
        looking += looked - began
        # Of two cases of one terminal the second is refused, and asks again in the gateway.
        done += sum(not isinstance(one, Exception) for one in outcomes)
    return f"{looking / done * 1e6:.0f} | {committing / done * 1e6:.0f}"


def _events(prefix: str) -> Iterator[NewEvent]:
    for number in itertools.count():
        name = f"{prefix}-{number}"
        answer = {"id": name, "decision": "accept", "features": FEATURES, "contributions": FEATURES}
        yield NewEvent(
            stream=STREAM,
            kind="transaction",
            event_id=name,
            keys=(("customer", f"C{number % 5000}"), ("terminal", f"T{number % 1000}")),
            occurred_at_us=number,
            body={"amount_minor": 1250, "currency": "EUR"},
            caller="bench",
            idempotency_key=name,
            request_digest=name,
            decision=answer,
            alert=NewAlert(name, "high", {"id": name}, ["hook"]) if number % 50 == 0 else None,
        )


def _reads(log: SqlDecisionLog, name: str) -> str:
    """Time of the reads on the gateway's way, and of a page of the feature writer."""
    head = log.head(STREAM)
    keys = [("customer", "C7"), ("terminal", "T7")]
    timed: dict[str, Callable[[], object]] = {
        "recent, 2 keys": lambda: log.recent(STREAM, keys, head - 5000, 500),
        "cursor": lambda: log.cursor("bench"),
        "page of 500": lambda: log.read(STREAM, head - 5000, 500),
    }
    parts = []
    for what, call in timed.items():
        began = time.perf_counter()
        for _ in range(100):
            call()
        parts.append(f"{what} {(time.perf_counter() - began) * 10:.2f} ms")
    return f"\n{name}, {head} events: " + ", ".join(parts) + "\n"


if __name__ == "__main__":
    main()
