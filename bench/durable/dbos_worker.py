"""A worker on DBOS for `bench.durable.incidents`.

    python -m bench.durable.dbos_worker URL EXECUTOR VERSION FOLDER ORDER

ORDER names the steps that its code has, such as `abc`; `b` waits at a gate.
"""

import sys
import threading
import time

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID, SetWorkflowTimeout

from bench.durable.by_dbos import launch
from bench.durable.child import Calls, serve

URL, EXECUTOR, VERSION, FOLDER, ORDER = sys.argv[1:]
calls = Calls(FOLDER)
begun: list[str] = []


@DBOS.workflow()
def steps() -> list[str]:
    """Its steps in order, each under its name; `b` waits."""
    return [DBOS.run_step({"name": name}, calls.call, name, EXECUTOR, name == "b") for name in ORDER]


@DBOS.workflow()
def short(owner: str) -> str:
    """A run of a caller, of which only the order matters."""
    begun.append(owner)
    return owner


def start(run_id: str, queue: str | None, timeout: float | None) -> None:
    """Start a run, directly or by a queue; a run of a queue has a deduplication id too."""
    with SetWorkflowID(run_id), SetWorkflowTimeout(timeout):
        if queue is None:
            DBOS.start_workflow(steps)
        else:
            with SetEnqueueOptions(deduplication_id=f"key-{run_id}"):
                DBOS.enqueue_workflow(queue, steps)


def status(run_id: str) -> dict[str, object]:
    """What DBOS says of a run."""
    found = DBOS.list_workflows(workflow_ids=[run_id])[0]
    return {
        "state": found.status,
        "executor": found.executor_id,
        "queue": found.queue_name,
        "deadline": found.workflow_deadline_epoch_ms,
        "deduplication": found.deduplication_id,
        "error": None if found.error is None else f"{type(found.error).__name__}: {str(found.error)[:160]}",
        "result": found.output,
    }


def recorded(run_id: str) -> list[list[object]]:
    """Names and results of the recorded steps."""
    return [[one["function_name"], one["output"]] for one in DBOS.list_workflow_steps(run_id)]


def share(many: int, few: int, partitioned: bool) -> list[str]:
    """Let ann put many runs and then bob few; return the owners in the order in which their runs began."""
    queue = f"fair-{partitioned}"
    begun.clear()
    for owner in ["ann"] * many + ["bob"] * few:
        with SetEnqueueOptions(queue_partition_key=owner if partitioned else None):
            DBOS.enqueue_workflow(queue, short, owner)
    # Only now does anybody serve it.
    bounds = {"partition_worker_concurrency": 1} if partitioned else {}
    DBOS.register_queue(queue, worker_concurrency=1, polling_interval_sec=0.02, **bounds)
    while len(begun) < many + few:
        time.sleep(0.05)
    return list(begun)


def idle(seconds: float) -> float:
    """CPU seconds a second while nothing is to be done."""
    began = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - began) / seconds


def latency(runs: int) -> float:
    """Mean seconds from putting a run into an idle queue as it comes to its beginning."""
    DBOS.register_queue("idle")
    time.sleep(2.5)
    waited = 0.0
    for _ in range(runs):
        begun.clear()
        began = time.monotonic()
        DBOS.enqueue_workflow("idle", short, "ann")
        while not begun:
            time.sleep(0.002)
        waited += time.monotonic() - began
    return waited / runs


def main() -> None:
    """Serve until the parent hangs up."""
    launch(URL, EXECUTOR, VERSION)
    DBOS.register_queue("queue")
    functions = {
        "start": start,
        "status": status,
        "recorded": recorded,
        "adopt": lambda executor: len(DBOS._recover_pending_workflows([executor])),  # the public API has no such call
        "resume": lambda run_id: DBOS.resume_workflow(run_id).get_workflow_id(),
        "cancel": DBOS.cancel_workflow,
        "share": share,
        "idle": idle,
        "latency": latency,
        "threads": threading.active_count,
    }
    serve(functions)


if __name__ == "__main__":
    main()
