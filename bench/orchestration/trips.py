"""Round trips to PostgreSQL of each thing that a run needs, counted in libpq's own trace of the protocol."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import event

from bench.orchestration.scene import new_run
from brain.runs import Claimed, TaskChange
from brain.runs.store import SqlRunStore

_ASKS = ("Sync", "Query")
"""Messages that ask the server for an answer and wait for it."""


def trips(url: str) -> Iterator[tuple[str, int]]:
    """What was done and how many round trips it took, on a connection that has done it before."""
    store = SqlRunStore(url)
    with tempfile.TemporaryFile("w+") as trace:
        _trace(store, trace)
        for turn in range(8):  # a statement is prepared when it comes for the fifth time
            counted = list(_one_run(store, trace))
            if turn == 7:
                yield from counted
    store.close()


def _trace(store: SqlRunStore, trace: Any) -> None:  # noqa: ANN401 - of the standard library
    engine = store._database.engine
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _record: connection.pgconn.trace(trace.fileno()))


def _one_run(store: SqlRunStore, trace: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    def counted(work: Callable[[], object]) -> int:
        trace.seek(0)
        trace.truncate()
        work()
        trace.seek(0)
        lines = [line.split("\t") for line in trace.read().splitlines()]
        return sum(len(line) > 3 and line[1] == "F" and line[3] in _ASKS for line in lines)

    held: list[Claimed] = []
    yield "accept a run of 10 tasks", counted(lambda: store.create(new_run("chain", 10)))

    def claim() -> None:
        claimed = store.claim("trips", 60, ["orchestration"])
        assert claimed is not None
        held.append(claimed)

    yield "claim it", counted(claim)
    begin = [TaskChange("t0", "running", attempt=1)]
    end = TaskChange("t0", "succeeded", result={"n": 1}, cost_minor=1, seconds=0.1)
    yield "commit an intent", counted(lambda: store.commit(held[0], begin))
    both = [end, TaskChange("t1", "running", attempt=1)]
    yield "commit a result and the next intent", counted(lambda: store.commit(held[0], both))
    yield "renew the lease", counted(lambda: store.renew(held[0], 60))
    with contextlib.suppress(IndexError):
        yield "end it", counted(lambda: store.commit(held[0], state="succeeded"))
