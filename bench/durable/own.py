"""The run store of this repository under measurement, in a process of its own; called by `bench.durable.costs`.

    python -m bench.durable.own URL STEPS RUNS MODE

MODE is `direct` (each run is created, claimed and worked off before the next) or `queued` (all are created, eight
threads work them off).
"""

import itertools
import json
import sys
import threading
import time

from brain.runs import Claimed, NewRun, NewTask, TaskChange
from brain.runs.store import SqlRunStore

THREADS = 8
WARM = 5


def new_run(number: int, steps: int, owner: str = "bench") -> NewRun:
    """A chain of steps."""
    tasks = [NewTask(f"t{place}", "bench", {"n": place}, (f"t{place - 1}",) if place else ()) for place in range(steps)]
    return NewRun(f"run-{owner}-{number:06d}", "bench", owner, {"steps": steps}, "digest", tasks)


def work_off(store: SqlRunStore, claimed: Claimed) -> None:
    """Do a run as the engine does: a commit holds what came of a step and the intent of the next."""
    changes: list[TaskChange] = []
    for task in claimed.tasks:
        store.commit(claimed, [*changes, TaskChange(task.id, "running", attempt=1)])
        result = {"n": task.parameters["n"], "value": 2.5}
        changes = [TaskChange(task.id, "succeeded", attempt=1, result=result, cost_minor=1, seconds=0.001)]
    store.commit(claimed, changes, state="succeeded", result={"value": 2.5})


def direct(store: SqlRunStore, numbers: range, steps: int) -> None:
    """One run after the other."""
    for number in numbers:
        store.create(new_run(number, steps))
        claimed = store.claim("worker", 60, ["bench"])
        assert claimed is not None
        work_off(store, claimed)


def queued(store: SqlRunStore, numbers: range, steps: int) -> None:
    """All runs at once, then threads that take them."""
    for number in numbers:
        store.create(new_run(number, steps))

    def take() -> None:
        while (claimed := store.claim("worker", 60, ["bench"])) is not None:
            work_off(store, claimed)

    threads = [threading.Thread(target=take) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Print CPU and wall seconds as JSON."""
    url, steps, runs, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    store = SqlRunStore(url)
    direct(store, range(WARM), steps)
    cpu, wall = time.process_time(), time.perf_counter()
    numbers = range(WARM, WARM + runs)
    if mode == "queued":
        queued(store, numbers, steps)
    else:
        direct(store, numbers, steps)
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}))
    done = sum(len(list(page.runs)) for page in _pages(store))
    store.close()
    if done != WARM + runs:
        raise SystemExit(f"{done} runs of {WARM + runs} have succeeded")


def _pages(store: SqlRunStore):  # noqa: ANN202 - of brain.runs.port.Page
    cursor = None
    for _ in itertools.count():
        page = store.list(state="succeeded", cursor=cursor, limit=500)
        yield page
        if (cursor := page.cursor) is None:
            return


if __name__ == "__main__":
    main()
