"""The workers of runs, as `/status` shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from brain.crypto.age import in_words
from brain.runs.desk import RunDesk
from brain.runs.port import Counts
from brain.runs.presence import SeenWorker
from runtime.problems import Problem

NAME = "brain-worker"


@dataclass(frozen=True)
class WorkerLook:
    """All workers as one part; version, address and uptime are those of the one that was seen last."""

    state: Literal["up", "down", "absent"]
    detail: str = ""
    version: str = ""
    address: str = ""
    uptime_seconds: float | None = None
    waiting: int | None = None
    name: str = NAME


async def look_at_workers(desk: RunDesk) -> WorkerLook:
    """Up while one was seen lately; absent where there never was one and no run waits for it."""
    try:
        workers, counts = await desk.run(lambda store: (store.seen_workers(), store.counts()))
    except Problem as problem:
        return WorkerLook("down", problem.detail)
    return judged(workers, counts)


def judged(workers: Sequence[SeenWorker], counts: Counts) -> WorkerLook:
    """What the store says about its workers, those seen last first, in one line."""
    waiting = sum(number for (_, state, _), number in counts.runs.items() if state == "queued")
    living = [worker for worker in workers if worker.lives]
    wait = f"; {waiting} {'run waits' if waiting == 1 else 'runs wait'}" if waiting else ""
    if not living:
        if workers:
            return WorkerLook("down", f"not seen for {_for_long(workers[0].age_seconds)}{wait}", waiting=waiting)
        return WorkerLook("down" if waiting else "absent", f"no worker has been started{wait}", waiting=waiting)
    last = living[0]
    uptime = round((last.seen_at - last.started_at).total_seconds() + last.age_seconds, 1)
    more = f"{len(living)} workers" if len(living) > 1 else ""
    return WorkerLook("up", more, last.beat.version, last.beat.address, uptime, waiting)


def _for_long(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 7200 else in_words(seconds)
