"""Rows as Markdown: a table for each time, a line for each set and method."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from statistics import fmean

from bench.plan.methods import PLAIN
from bench.plan.record import Case, Row

Reference = Callable[[str], int]
HEAD = (
    "set, projects",
    "method",
    "schedules",
    "gap to best known, %",
    "gap to critical path, %",
    "proven optimal, %",
    "worse than plain",
    "seconds",
    "cores",
)


def table(rows: Iterable[Row], set_of: Callable[[str], str], best_known: Reference, critical_path: Reference) -> str:
    """Rows of one time and number of workers.

    Gaps are means over the projects where the method found a schedule, relative to the reference; a project without one
    counts as worse than plain where plain found one. Seconds are means; cores are CPU seconds by wall seconds.

    Args:
        rows: In the order in which sets and methods are to appear.
        set_of: The set of an instance.
        best_known: Makespan of the best known schedule of an instance, in time units.
        critical_path: The critical-path bound of an instance, in time units.
    """
    kept = list(rows)
    plain = {row.case.instance: row.run.makespan for row in kept if row.case.method == PLAIN}
    lines = [HEAD, ("---",) * len(HEAD)]
    for (name, method), group in groupby(kept, key=lambda row: (set_of(row.case.instance), row.case.method)):
        mine = list(group)
        found = [(row.case.instance, row.run.makespan) for row in mine if row.run.makespan is not None]
        worse = sum(_is_worse(row.run.makespan, plain.get(row.case.instance)) for row in mine)
        lines.append(
            (
                f"{name}, {len(mine)}",
                method,
                str(len(found)),
                _mean([100 * (value / best_known(each) - 1) for each, value in found]),
                _mean([100 * (value / critical_path(each) - 1) for each, value in found]),
                f"{100 * fmean(row.run.makespan == row.run.bound for row in mine):.0f}",
                str(worse) if plain and method != PLAIN else "-",
                _mean([row.run.seconds for row in mine]),
                _mean([row.run.cpu_seconds / row.run.seconds for row in mine if row.run.seconds]),
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ordered(rows: Iterable[Row], cases: Sequence[Case], set_of: Callable[[str], str]) -> list[Row]:
    """The rows of these cases, so that sets and methods stand together in the order of the cases."""
    by_case = {row.case: row for row in rows}
    sets = list(dict.fromkeys(set_of(case.instance) for case in cases))
    methods = list(dict.fromkeys(case.method for case in cases))
    return sorted(
        (by_case[case] for case in cases if case in by_case),
        key=lambda row: (sets.index(set_of(row.case.instance)), methods.index(row.case.method)),
    )


def _is_worse(mine: int | None, plain: int | None) -> bool:
    return plain is not None and (mine is None or mine > plain)


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f}" if values else "-"
