"""Rows as JSON lines: written as they come, so that a bench that was killed goes on where it stopped."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.plan.methods import Run


@dataclass(frozen=True)
class Case:
    """What was asked of a method; a case is measured once."""

    instance: str
    method: str
    seconds: float
    workers: int


@dataclass(frozen=True)
class Row:
    """A case, what came of it, the revision of the code and the load of the machine before it began."""

    case: Case
    run: Run
    revision: str
    load: float


class Record:
    """The rows of a file.

    Args:
        path: Made with its folder where it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._path = path
        self.rows = {row.case: row for row in _read(path)}

    def add(self, row: Row) -> None:
        """Append a row; it is on the disk when this returns."""
        self.rows[row.case] = row
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _read(path: Path) -> Iterator[Row]:
    """Whole rows; what a kill left of the last line is cut off, so that the next row begins a line."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    for line in whole.decode("utf-8").splitlines():
        fields = json.loads(line)
        yield Row(Case(**fields["case"]), Run(**fields["run"]), fields["revision"], fields["load"])
