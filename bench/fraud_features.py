"""Card features, measured: `python -m bench.fraud_features [--rows 10_000_000] [--days 150] [--events 20_000]`.

Each stage runs in a process of its own on one core: the simulator, the history of all rows, the states at its end, and
the fold, which takes events one by one as the predictor does. Memory is the peak of that process by the kernel's
accounts, where an idle one with the same imports stands beside it.
"""

import argparse
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

END = datetime(2026, 11, 22, tzinfo=UTC)
WARM_UP_EVENTS = 15_000
"""Events that fill the states with a month, before the fold is measured."""


@dataclass(frozen=True)
class Stage:
    """What one stage handled and took."""

    name: str
    rows: int
    cpu_seconds: float
    seconds: float
    peak_mib: float
    note: str = ""


def measured(name: str, work: Callable[..., tuple[int, str]], *arguments: object) -> Stage:
    """Run a stage in this process; `work` returns how many rows it handled and a note."""
    import components.fraud.cards.history
    import components.fraud.cards.simulator  # noqa: F401  (imports are no part of the stage)

    cpu, wall = time.process_time(), time.perf_counter()
    rows, note = work(*arguments)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return Stage(name, rows, cpu, wall, int(found[1]) / 1024, note)


def idle() -> tuple[int, str]:
    """Nothing but the imports."""
    return 0, ""


def simulate_rows(path: Path, rows: int, days: int) -> tuple[int, str]:
    """Write the transactions."""
    from components.fraud.cards.simulator import simulate

    report = simulate(path, end=END, rows=rows, days=days)
    return report.rows, f"{report.frauds / report.rows:.2%} fraud, {path.stat().st_size / 2**20:.0f} MiB"


def history_of(path: Path, output: Path) -> tuple[int, str]:
    """Compute the features of all rows."""
    from components.fraud.cards.history import build_history

    report = build_history(path, output)
    return report.rows, f"{output.stat().st_size / 2**20:.0f} MiB"


def states_of(path: Path, rows: int) -> tuple[int, str]:
    """Compute all states at the end, and encode them as materialising does."""
    from components.fraud.cards.history import final_states

    sizes = sorted(len(state.encode()) for _, _, state in final_states(path, END))
    return rows, f"{len(sizes)} states, {sizes[len(sizes) // 2]} bytes in the middle, {sizes[-1]} at most"


def fold_over(path: Path, events: int) -> tuple[int, str]:
    """Features and fold of payments, each side decoded from bytes and encoded again, as online."""
    from components.fraud.cards.events import Transaction
    from components.fraud.cards.state import EntityState, apply, card_features
    from components.fraud.cards.table import epoch_us, read_batches

    spent = {"features": 0.0, "fold": 0.0, "bytes": 0.0}
    states: dict[str, bytes] = {}
    empty, seen = EntityState.empty().encode(), 0
    for batch in read_batches(path):
        columns = (batch["customer_id"].to_pylist(), batch["terminal_id"].to_pylist())
        rows = zip(*columns, epoch_us(batch["occurred_at"]).tolist(), batch["amount_minor"].to_pylist(), strict=True)
        for row in rows:
            event = Transaction(*row, sequence=seen)
            marks = [time.process_time()]
            customer = EntityState.decode(states.get(event.customer_id, empty))
            terminal = EntityState.decode(states.get(event.terminal_id, empty))
            marks.append(time.process_time())
            card_features(event, customer, terminal)
            marks.append(time.process_time())
            apply(event, customer, terminal)
            marks.append(time.process_time())
            states[event.customer_id], states[event.terminal_id] = customer.encode(), terminal.encode()
            marks.append(time.process_time())
            if seen >= WARM_UP_EVENTS:
                spent["bytes"] += marks[1] - marks[0] + marks[4] - marks[3]
                spent["features"] += marks[2] - marks[1]
                spent["fold"] += marks[3] - marks[2]
            seen += 1
            if seen == events + WARM_UP_EVENTS:
                break
        if seen == events + WARM_UP_EVENTS:
            break
    measured_events = seen - WARM_UP_EVENTS
    parts = ", ".join(f"{name} {value / measured_events * 1e6:.0f}" for name, value in spent.items())
    return seen, f"after the first {WARM_UP_EVENTS:,}, CPU µs an event: {parts}"


def table(stages: list[Stage]) -> str:
    """The result as Markdown."""
    lines = ["| stage | rows | CPU s | s | CPU µs a row | peak MiB | |", "|---|--:|--:|--:|--:|--:|---|"]
    lines += [
        f"| {one.name} | {one.rows:,} | {one.cpu_seconds:.1f} | {one.seconds:.1f} "
        f"| {one.cpu_seconds / one.rows * 1e6 if one.rows else 0:.2f} | {one.peak_mib:.0f} | {one.note} |"
        for one in stages
    ]
    return "\n".join(lines)


def main() -> None:
    """Simulate, build, fold, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fraud_features", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="about how many payments to simulate")
    parser.add_argument("--days", type=int, default=150, help="length of the history")
    parser.add_argument("--events", type=int, default=20_000, help="events of the fold, after a warm-up")
    options = parser.parse_args()
    stages: list[Stage] = []
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="bench-fraud-features-") as name:
        path = Path(name) / "transactions.parquet"

        def stage(title: str, work: Callable[..., tuple[int, str]], *arguments: object) -> Stage:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                stages.append(pool.submit(measured, title, work, *arguments).result())
            return stages[-1]

        stage("imports alone", idle)
        rows = stage("simulate", simulate_rows, path, options.rows, options.days).rows
        stage("build_history", history_of, path, Path(name) / "features.parquet")
        stage("final_states, encoded", states_of, path, rows)
        # A small town, so that the states of the measured events hold as much as those of a month do.
        small = Path(name) / "small.parquet"
        stage("simulate a small town", simulate_rows, small, 40_000, 90)
        stage("fold, one by one", fold_over, small, options.events)
    print(table(stages))


if __name__ == "__main__":
    main()
