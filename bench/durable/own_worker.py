"""A worker on our run store for `bench.durable.incidents`: `python -m bench.durable.own_worker URL HOLDER FOLDER`."""

import sys
import threading
import time

from bench.durable.child import Calls, serve
from bench.durable.own import new_run
from brain.runs import Claimed, LeaseLostError, NewRun, NewTask, TaskChange
from brain.runs.store import SqlRunStore

URL, HOLDER, FOLDER = sys.argv[1:]
LEASE_SECONDS = 1.0
calls = Calls(FOLDER)
store = SqlRunStore(URL)
refused: list[str] = []


def start(run_id: str) -> None:
    """Accept a run of three steps; `b` waits at a gate."""
    tasks = [NewTask(name, "bench", {}) for name in "abc"]
    store.create(NewRun(run_id, "gated", "ann", {}, "digest", tasks, idempotency_key=f"key-{run_id}"))


def work() -> None:
    """Claim and do runs for ever, in a thread."""
    threading.Thread(target=_work, daemon=True).start()


def _work() -> None:
    while True:
        claimed = store.claim(HOLDER, LEASE_SECONDS, ["gated"])
        if claimed is None:
            time.sleep(0.05)
            continue
        try:
            _do(claimed)
        except LeaseLostError as error:
            refused.append(str(error))


def _do(claimed: Claimed) -> None:
    if claimed.run.state == "cancelling":
        store.commit(claimed, state="cancelled")
        return
    ended = threading.Event()
    threading.Thread(target=_hold, args=(claimed, ended), daemon=True).start()
    try:
        for task in claimed.tasks:
            if task.state == "succeeded":
                continue
            store.commit(claimed, [TaskChange(task.id, "running", attempt=task.attempt + 1)])
            result = calls.call(task.id, HOLDER, task.id == "b")
            store.commit(claimed, [TaskChange(task.id, "succeeded", result=result)])
        store.commit(claimed, state="succeeded", result="done")
    finally:
        ended.set()


def _hold(claimed: Claimed, ended: threading.Event) -> None:
    while not ended.wait(LEASE_SECONDS / 3):
        try:
            store.renew(claimed, LEASE_SECONDS)
        except LeaseLostError:
            return


def stall() -> None:
    """Begin a transaction as every write does, and go no further; in a thread."""

    def within() -> None:
        with store._database.writing():
            calls.call("writing", HOLDER, True)

    threading.Thread(target=within, daemon=True).start()


def create_within(run_id: str, seconds: float) -> float | None:
    """Seconds until a run was accepted; None where it was not within that time."""
    began, done = time.monotonic(), threading.Event()

    def create() -> None:
        start(run_id)
        done.set()

    threading.Thread(target=create, daemon=True).start()
    return time.monotonic() - began if done.wait(seconds) else None


def recorded(run_id: str) -> list[list[object]]:
    """Names and results of the tasks that have ended."""
    return [[task.id, task.result] for task in store.tasks(run_id) if task.state == "succeeded"]


def share(many: int, few: int) -> list[str]:
    """Let ann put many runs and then bob few; return the owners in the order in which their runs were claimed."""
    for owner, count in (("ann", many), ("bob", few)):
        for number in range(count):
            store.create(new_run(number, 1, owner))
    return [claimed.run.owner for _ in range(many + few) if (claimed := store.claim(HOLDER, 60, ["bench"]))]


def main() -> None:
    """Serve until the parent hangs up."""
    functions = {
        "start": start,
        "work": work,
        "recorded": recorded,
        "state": lambda run_id: store.get(run_id).state,
        "cancel": lambda run_id: store.ask_cancel(run_id).state,
        "refused": lambda: refused,
        "share": share,
        "stall": stall,
        "create_within": create_within,
    }
    serve(functions)


if __name__ == "__main__":
    main()
