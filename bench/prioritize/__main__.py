"""Ranking of work, measured: `python -m bench.prioritize [--tasks 100000] [--rounds 5]`.

CPU seconds of this process, one thread, the median of the rounds: scoring alone, and a whole request from its bytes to
those of the answer; beside them the longest time that another thread waited for its turn while requests were ranked.
Tasks carry every field; half of them depend on up to two of the last thousand. Prints Markdown.
"""

import argparse
import json
import random
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from brain.json_body import parse_json
from brain.l20.priority.answer import write
from brain.l20.priority.collection import no_collection
from brain.l20.priority.ranking import Ranking, rank
from brain.l20.priority.request import PrioritizeOptions, in_chunks, read
from brain.l20.priority.score import score
from brain.l20.priority.settings import PrioritySettings
from brain.l20.priority.work import Known
from brain.runs.port import PRIORITIES

NOW = 1_772_323_200.0
KNOWN = Known(1.0, "estimate", 0, {"cpu": 1.0})
TICK_SECONDS = 0.001


def body(size: int, seed: int = 0) -> bytes:
    """A request for so many tasks."""
    chance = random.Random(seed)
    tasks = [_task(place, chance) for place in range(size)]
    return json.dumps({"tasks": tasks, "capacity": {"cpu": 8, "gpu": 1, "memory_gb": 32}}).encode()


def ranked(content: bytes) -> Ranking:
    """From bytes to ranks."""
    return rank(read(parse_json(content), 1_000_000), lambda _type: KNOWN, PrioritySettings(), NOW)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.prioritize")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    settings, content = PrioritySettings(), body(given.tasks)
    ranking = ranked(content)
    capacity = {"cpu": 8.0, "gpu": 1.0, "memory_gb": 32.0}

    def whole(top: int | None) -> None:
        with no_collection():
            again = ranked(content)
            options = again.asked.options.model_copy(update={"top": top})
            write(_with(again, options), settings.weights, NOW)
            for _ in in_chunks(again.asked.tasks):
                time.sleep(0)

    cells = {
        "scoring and ranking": lambda: score(ranking.work, settings.weights, settings, NOW, capacity),
        "whole request, top 100": lambda: whole(100),
        "whole request, all answered": lambda: whole(None),
    }
    print(f"{given.tasks} tasks, {len(content) / 1e6:.0f} MB of request, {given.rounds} rounds\n")
    print("| | CPU seconds | longest pause of another thread, ms |\n|---|--:|--:|")
    for name, work in cells.items():
        seconds, pause = _measure(work, given.rounds)
        print(f"| {name} | {seconds:.2f} | {pause * 1000:.0f} |", flush=True)


def _with(ranking: Ranking, options: PrioritizeOptions) -> Ranking:
    return replace(ranking, asked=replace(ranking.asked, options=options))


def _task(place: int, chance: random.Random) -> dict[str, object]:
    task: dict[str, object] = {
        "id": f"task-{place}",
        "type": chance.choice(["crypto_prediction", "fraud_analysis"]),
        "priority": chance.choice(PRIORITIES),
        "deadline": f"2026-03-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00Z",
        "value": chance.uniform(0, 1000),
        "cost_minor": chance.randrange(1000),
        "duration_seconds": chance.uniform(0.1, 600),
        "created_at": f"2026-02-{chance.randrange(1, 28):02}T{chance.randrange(24):02}:00:00Z",
        "resources": {"cpu": chance.choice([0.5, 1, 2]), "gpu": chance.choice([0, 1])},
    }
    if place and chance.random() < 0.5:
        task["depends_on"] = [f"task-{chance.randrange(max(0, place - 1000), place)}" for _ in range(2)]
    return task


def _measure(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median CPU seconds, and the longest time over its sleep that a thread beside the work waited."""
    taken, pauses, done = [], [0.0], threading.Event()

    def tick() -> None:
        while not done.is_set():
            begun = time.perf_counter()
            time.sleep(TICK_SECONDS)
            pauses.append(time.perf_counter() - begun - TICK_SECONDS)

    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    beside = threading.Thread(target=tick, daemon=True)
    beside.start()
    work()
    done.set()
    beside.join()
    return statistics.median(taken), max(pauses)


if __name__ == "__main__":
    main()
