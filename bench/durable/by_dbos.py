"""DBOS under measurement, in a process of its own; called by `bench.durable.costs`.

    python -m bench.durable.by_dbos URL STEPS RUNS MODE

MODE is `direct` (started and awaited one after the other), `direct, async`, `direct, WAL` (SQLite with the settings of
our own store), `direct, own rows` (each step writes a task, an event and a budget in one transaction with its
checkpoint, by DBOS's datasource), `queued` (a queue as it comes: asked once a second, no limit) or `queued, bounded`
(eight at once, asked every 50 ms).
"""

import asyncio
import json
import sys
import threading
import time

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SQLAlchemyDatasource

WARM = 5


def launch(url: str, executor: str = "worker", version: str = "ours", wal: bool = False) -> None:
    """Start DBOS on a database, quietly, under an executor id and an application version of our own."""
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "executor_id": executor,
        "application_version": version,
        "log_level": "ERROR",
    }
    if wal:
        config["system_database_engine"] = _wal_engine(url)
    DBOS(config=config)
    DBOS.launch()


def _wal_engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def _set(connection, _record) -> None:  # noqa: ANN001 - of the driver
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("busy_timeout = 30000", "foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@DBOS.step()
def step(number: int) -> dict[str, object]:
    """What a task does here: nothing."""
    return {"n": number, "value": 2.5}


@DBOS.workflow()
def graph(steps: int) -> object:
    """A chain of steps."""
    result: object = None
    for number in range(steps):
        result = step(number)
    return result


@DBOS.step()
async def step_async(number: int) -> dict[str, object]:
    """The same as a coroutine."""
    return {"n": number, "value": 2.5}


@DBOS.workflow()
async def graph_async(steps: int) -> object:
    """A chain of steps as a coroutine."""
    result: object = None
    for number in range(steps):
        result = await step_async(number)
    return result


_finished = threading.Semaphore(0)


@DBOS.workflow()
def counted_graph(steps: int) -> object:
    """A chain of steps that tells this process of its end, so that nobody has to ask the database for it."""
    result = None
    for number in range(steps):
        result = step(number)
    _finished.release()
    return result


ROWS = sa.MetaData()
TASKS = sa.Table(
    "bench_tasks",
    ROWS,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text),
    sa.Column("result", sa.Text),
)
EVENTS = sa.Table(
    "bench_events",
    ROWS,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", sa.Text),
)
BUDGETS = sa.Table(
    "bench_budgets", ROWS, sa.Column("run_id", sa.Text, primary_key=True), sa.Column("spent", sa.Integer)
)


class OurRows:
    """What our own store writes with a step, written by a datasource of DBOS."""

    def __init__(self, url: str) -> None:
        address = url if url.startswith("sqlite") else url.replace("postgresql://", "postgresql+psycopg://")
        self.source = SQLAlchemyDatasource.create(address)
        ROWS.create_all(self.source.engine)

    def begin(self, run_id: str) -> str:
        """The budget's row."""
        self.source.sql_session().execute(sa.insert(BUDGETS), {"run_id": run_id, "spent": 0})
        return run_id

    def record(self, run_id: str, number: int) -> dict[str, object]:
        """A task's row, the next event and what was spent."""
        session, result = self.source.sql_session(), {"n": number, "value": 2.5}
        row = {"run_id": run_id, "id": number, "state": "succeeded", "result": json.dumps(result)}
        session.execute(sa.insert(TASKS), row)
        session.execute(sa.insert(EVENTS), {"run_id": run_id, "number": number, "body": "{}"})
        mine = sa.update(BUDGETS).where(BUDGETS.c.run_id == run_id)
        session.execute(mine.values(spent=BUDGETS.c.spent + 1))
        return result


_rows: list[OurRows] = []


@DBOS.workflow()
def graph_with_rows(steps: int) -> object:
    """A chain of steps whose rows are ours."""
    ours, result = _rows[0], None
    run_id = ours.source.run_tx_step({"name": "begin"}, ours.begin, DBOS.workflow_id)
    for number in range(steps):
        result = ours.source.run_tx_step({"name": "record"}, ours.record, run_id, number)
    return result


def direct(runs: int, steps: int, workflow=graph) -> None:  # noqa: ANN001 - of DBOS
    """One run after the other."""
    for _ in range(runs):
        DBOS.start_workflow(workflow, steps).get_result()


async def direct_async(runs: int, steps: int) -> None:
    """One run after the other on the event loop."""
    for _ in range(runs):
        await (await DBOS.start_workflow_async(graph_async, steps)).get_result()


def queued(runs: int, steps: int) -> None:
    """All runs at once, taken by DBOS's queue."""
    handles = [DBOS.enqueue_workflow("bench", counted_graph, steps) for _ in range(runs)]
    for _ in handles:
        _finished.acquire()
    for handle in handles:
        handle.get_result(polling_interval_sec=0.02)


def _act(mode: str, runs: int, steps: int) -> None:
    if mode.startswith("queued"):
        queued(runs, steps)
    elif mode == "direct, async":
        asyncio.run(direct_async(runs, steps))
    else:
        direct(runs, steps, graph_with_rows if mode == "direct, own rows" else graph)


def main() -> None:
    """Print CPU and wall seconds as JSON."""
    url, steps, runs, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if mode == "direct, own rows":
        _rows.append(OurRows(url))
    launch(url, wal=mode == "direct, WAL")
    bounds = {"worker_concurrency": 8, "polling_interval_sec": 0.05} if mode == "queued, bounded" else {}
    if mode.startswith("queued"):
        DBOS.register_queue("bench", **bounds)
        time.sleep(2.5)  # until its thread has been started, which is looked after once a second
    _act(mode, WARM, steps)
    cpu, wall = time.process_time(), time.perf_counter()
    _act(mode, runs, steps)
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}))
    done = len(DBOS.list_workflows(status="SUCCESS", load_input=False, load_output=False))
    DBOS.destroy()
    if done != WARM + runs:
        raise SystemExit(f"{done} runs of {WARM + runs} have succeeded")


if __name__ == "__main__":
    main()
