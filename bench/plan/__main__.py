"""Quality of plans, measured: `python -m bench.plan [--seconds 1,10,60] [--sets j30,j60,j120] [--limit N]`.

Projects of PSPLIB, which is not shipped; where it is absent nothing is measured. The heuristic alone has 200 ms, all
others the same time and the same number of workers, one after the other on each project. Prints Markdown, and writes
each run as a line of JSON as it ends; runs that are in the file are not made again.

All projects at 1 and 10 s, and the first `LONG_LIMIT` of each set at 60 s: 156 * 3 * (1 + 10) + 24 * 3 * 60 s = 2.6 h
where nothing is proven before its time is up.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench.plan.instances import INSTANCES
from bench.plan.methods import AT_ONCE, METHODS, measured
from bench.plan.psplib import available, best_known, load, set_of
from bench.plan.record import Case, Record, Row
from bench.plan.table import ordered, table
from brain.l20.planning.bounds import critical_path_bound
from brain.l20.planning.problem import Mode, Problem, Task
from runtime.revision import code_revision
from runtime.settings import REPOSITORY_ROOT

LONG_SECONDS, LONG_LIMIT = 60.0, 8
"""From so many seconds on, only so many projects of a set are measured."""
QUIET_LOAD = 0.5
"""Runnable threads a minute; a machine with more has other work, and figures suffer."""


def main() -> None:
    """Measure what is not in the file, and print a table a time."""
    arguments = _arguments()
    if reason := available():
        print(f"skipped: {reason}")
        return
    if arguments.fresh:
        arguments.file.unlink(missing_ok=True)
    record = Record(arguments.file)
    cases = list(_cases(arguments))
    _say_what_is_ahead(cases, record, arguments.workers)
    revision = code_revision()
    _load_solvers(arguments.methods)
    for place, case in enumerate(cases, start=1):
        if case not in record.rows:
            load_before = os.getloadavg()[0]
            run = measured(case.method, load(case.instance), case.seconds, case.workers)
            record.add(Row(case, run, revision, load_before))
            print(f"{place}/{len(cases)}", case, run, file=sys.stderr, flush=True)
    _print_tables(cases, record)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=_numbers, default=(1.0, 10.0, 60.0), help="times, by commas")
    parser.add_argument("--sets", type=_words, default=tuple(INSTANCES), help="by commas")
    parser.add_argument("--methods", type=_words, default=tuple(METHODS), help=f"of {', '.join(METHODS)}")
    parser.add_argument("--limit", type=int, default=None, help="most projects a set, whatever the time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--file", type=Path, default=REPOSITORY_ROOT / ".state" / "bench" / "plan.jsonl")
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    return parser.parse_args()


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """Method after method on each project, so that a change of the machine meets all of them."""
    for seconds in arguments.seconds:
        for name in arguments.sets:
            most = LONG_LIMIT if arguments.limit is None and seconds >= LONG_SECONDS else arguments.limit
            for instance in INSTANCES[name][:most]:
                for method in arguments.methods:
                    yield Case(instance, method, 0.0 if method == AT_ONCE else seconds, arguments.workers)


def _say_what_is_ahead(cases: list[Case], record: Record, workers: int) -> None:
    left = {case for case in cases if case not in record.rows}
    cores, load_now = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"{len(left)} of {len(cases)} runs are left, at most {sum(case.seconds for case in left) / 3600:.1f} h.")
    print(f"{cores} cores, load {load_now:.2f}, {workers} workers.", flush=True)
    if left and (load_now > QUIET_LOAD or cores < workers):
        print("warning: the machine has other work or too few cores; these figures will be too bad", file=sys.stderr)


def _load_solvers(methods: tuple[str, ...]) -> None:
    """So that no project pays for the import."""
    for method in methods:
        measured(method, Problem((Task("only", (Mode("only", 1),)),), ()), 1.0, 1)


def _print_tables(cases: list[Case], record: Record) -> None:
    @cache
    def critical_path(instance: str) -> int:
        return critical_path_bound(load(instance))

    times = [seconds for seconds in dict.fromkeys(case.seconds for case in cases) if seconds]
    for seconds in times or [0.0]:
        instances = {case.instance for case in cases if case.seconds == seconds}
        mine = [case for case in cases if case.seconds in (0.0, seconds) and case.instance in instances]
        rows = ordered(record.rows.values(), list(dict.fromkeys(mine)), set_of)
        print(f"\n### {seconds:g} s\n\n{table(rows, set_of, cache(best_known), critical_path)}", flush=True)
    used = [record.rows[case] for case in cases if case in record.rows]
    at_once = [row.run.seconds for row in used if row.case.method == AT_ONCE]
    if at_once:
        print(f"\nWithout a solver: {1000 * max(at_once):.0f} ms at most for {len(at_once)} projects.")
    loads = [row.load for row in used]
    print(f"\nCode {', '.join(sorted({row.revision for row in used}))}; load {min(loads):.2f} to {max(loads):.2f}.")


if __name__ == "__main__":
    main()
