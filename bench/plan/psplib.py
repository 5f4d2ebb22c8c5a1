"""Reads single-mode projects of PSPLIB (Kolisch and Sprecher 1997), which are at hand or not and never shipped."""

import zipfile
from collections.abc import Iterator

from brain.l20.planning.problem import Mode, Problem, Resource, Task
from runtime.settings import REPOSITORY_ROOT

FOLDER = REPOSITORY_ROOT.parent / "shared" / "data" / "rcpsp_psplib"
SETS = ("j30", "j60", "j120")


def available() -> str | None:
    """Why the instances cannot be read; None: they can."""
    return None if FOLDER.is_dir() else "PSPLIB is not shipped, and no shared data stand beside the repository"


def load(name: str) -> Problem:
    """The instance of that name, such as `j301_1`.

    Raises:
        KeyError: There is no such instance.
    """
    with zipfile.ZipFile(FOLDER / f"{set_of(name)}.sm.zip") as archive:
        return parse(archive.read(f"{name}.sm").decode("ascii"))


def set_of(name: str) -> str:
    """The set that an instance belongs to."""
    return next(each for each in SETS if name.startswith(each))


def best_known(name: str) -> int:
    """Makespan of the best schedule that is known, in time units."""
    import pyarrow.parquet as pq

    table = pq.read_table(FOLDER / "best_known.parquet", columns=["instance", "best_ub"]).to_pydict()
    return int(dict(zip(table["instance"], table["best_ub"], strict=True))[name])


def parse(text: str) -> Problem:
    """A problem without horizon or budget; jobs are named by their numbers, resources R1, R2, ..."""
    lines = text.splitlines()
    successors = {job: rest[2:] for job, *rest in _numbers(lines, "PRECEDENCE RELATIONS")}
    after: dict[int, list[str]] = {job: [] for job in successors}
    for job, those in successors.items():
        for successor in those:
            after[successor].append(str(job))
    capacities = next(_numbers(lines, "RESOURCEAVAILABILITIES"))
    resources = tuple(Resource(f"R{number}", units) for number, units in enumerate(capacities, start=1))
    tasks = []
    for job, mode, duration, *demands in _numbers(lines, "REQUESTS/DURATIONS"):
        needs = {each.name: units for each, units in zip(resources, demands, strict=True) if units}
        tasks.append(Task(str(job), (Mode(str(mode), duration, needs),), tuple(after[job])))
    return Problem(tuple(tasks), resources)


def _numbers(lines: list[str], title: str) -> Iterator[list[int]]:
    """Lines of numbers below a title, up to the line of stars; headings are left out."""
    begin = next(place for place, line in enumerate(lines) if line.startswith(title)) + 1
    for line in lines[begin:]:
        if line.startswith("*"):
            return
        words = line.split()
        if words and all(word.isdigit() for word in words):
            yield [int(word) for word in words]
