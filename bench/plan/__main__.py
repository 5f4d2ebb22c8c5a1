"""Quality of plans, measured: `python -m bench.plan [--seconds 10] [--sets j30,j60,j120] [--limit N]`.

Projects of PSPLIB, which is not shipped; where it is absent nothing is measured. The heuristic alone has 200 ms, all
others the same time and the same number of workers, one after the other on each project. Prints Markdown.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.plan.instances import INSTANCES
from bench.plan.psplib import available, best_known, load
from brain.l20.planning.bounds import critical_path_bound
from brain.l20.planning.check import check
from brain.l20.planning.compact import compact
from brain.l20.planning.problem import Problem
from brain.l20.planning.solution import Found
from brain.l20.planning.solve import solve


@dataclass(frozen=True)
class Run:
    """One method on one project: makespan, whether that is proven, and wall seconds."""

    makespan: int | None
    optimal: bool
    seconds: float


Method = Callable[[Problem, float, int], Run]


def heuristic_alone(problem: Problem, seconds: float, workers: int) -> Run:
    """What is answered at once."""
    solution = solve(problem, seconds=0)
    return Run(solution.value, solution.status == "optimal", solution.seconds)


def plain_cp_sat(problem: Problem, seconds: float, workers: int) -> Run:
    """Our model and the solver as it comes: no start, no search of ours."""
    from brain.l20.planning import cp_sat

    began = time.monotonic()
    return _run(problem, cp_sat.plain(compact(problem), None, "makespan", seconds, workers, 0), began)


def pyjobshop_alone(problem: Problem, seconds: float, workers: int) -> Run:
    """PyJobShop as it comes."""
    from brain.l20.planning import pyjobshop_backend

    began = time.monotonic()
    return _run(problem, pyjobshop_backend.search(problem, "makespan", None, seconds, workers, 0), began)


def ours(problem: Problem, seconds: float, workers: int) -> Run:
    """What a caller of `solve` gets."""
    solution = solve(problem, seconds=seconds, workers=workers)
    return Run(solution.value, solution.status == "optimal", solution.seconds)


METHODS: dict[str, Method] = {
    "heuristic": heuristic_alone,
    "plain CP-SAT": plain_cp_sat,
    "PyJobShop": pyjobshop_alone,
    "ours": ours,
}


def main() -> None:
    """Measure and print a table a set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--sets", default=",".join(INSTANCES))
    parser.add_argument("--limit", type=int, default=None, help="projects a set")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--methods", default=",".join(METHODS))
    arguments = parser.parse_args()
    if reason := available():
        print(f"skipped: {reason}")
        return
    for name in arguments.sets.split(","):
        names = INSTANCES[name][: arguments.limit]
        runs: dict[str, list[Run]] = {method: [] for method in arguments.methods.split(",")}
        for each in names:
            problem = load(each)
            for method, results in runs.items():
                results.append(METHODS[method](problem, arguments.seconds, arguments.workers))
                print(each, method, results[-1], file=sys.stderr, flush=True)
        print(f"\n## {name}: {len(names)} projects, {arguments.seconds:g} s, {arguments.workers} workers\n")
        print(table(names, runs), flush=True)


def table(names: tuple[str, ...], runs: dict[str, list[Run]]) -> str:
    """A line a method; gaps are means over the projects where it found a schedule."""
    head = ["method", "schedules", "gap to best known, %", "gap to critical path, %", "proven optimal, %"]
    lines = [[*head, "worse than plain", "seconds"]]
    known, paths = [best_known(each) for each in names], [critical_path_bound(load(each)) for each in names]
    plain = [run.makespan for run in runs.get("plain CP-SAT", [])]
    for method, results in runs.items():
        found = [place for place, run in enumerate(results) if run.makespan is not None]
        values = [run.makespan or 0 for run in results]
        worse = sum(values[place] > (plain[place] or values[place]) for place in found) if plain else 0
        lines.append(
            [
                method,
                f"{len(found)}/{len(names)}",
                f"{_mean_gap(values, known, found):.2f}",
                f"{_mean_gap(values, paths, found):.2f}",
                f"{100 * sum(run.optimal for run in results) / len(results):.0f}",
                str(worse) if plain else "-",
                f"{sum(run.seconds for run in results) / len(results):.2f}",
            ]
        )
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _mean_gap(values: list[int], references: list[int], places: list[int]) -> float:
    gaps = [100 * (values[place] - references[place]) / references[place] for place in places]
    return sum(gaps) / len(gaps) if gaps else float("nan")


def _run(problem: Problem, found: Found, began: float) -> Run:
    seconds = time.monotonic() - began
    if found.schedule is None:
        return Run(None, False, seconds)
    makespan = check(problem, found.schedule).makespan
    return Run(makespan, makespan == found.bound, seconds)


if __name__ == "__main__":
    main()
