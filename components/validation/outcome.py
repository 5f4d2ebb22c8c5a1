"""What a validation found, whatever was validated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Generic, TypeVar

Cell = str | float | int | bool | None
Statistics = TypeVar("Statistics")


@dataclass(frozen=True)
class CheckResult:
    """One check.

    Attributes:
        name: Stable name, such as `high_at_least_close`.
        says: What must hold, in words.
        passed: Whether it holds.
        unexpected: Rows that break it; 0 where it is not about rows.
        detail: What was found instead, empty if it holds.
        examples: A few of the rows that break it, with their key and the values in question.
    """

    name: str
    says: str
    passed: bool
    unexpected: int = 0
    detail: str = ""
    examples: Sequence[Mapping[str, Cell]] = ()


CheckFailure = CheckResult
"""A check that does not hold."""


@dataclass(frozen=True)
class Outcome(Generic[Statistics]):
    """Whether a table may be trained on; `failures` is empty exactly when `passed`."""

    passed: bool
    failures: Sequence[CheckFailure]
    statistics: Statistics
    checks: Sequence[CheckResult]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types; times in RFC 3339."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def outcome_of(checks: Sequence[CheckResult], statistics: Statistics) -> Outcome[Statistics]:
    """The outcome of checks: it passed where all of them hold."""
    failures = [check for check in checks if not check.passed]
    return Outcome(passed=not failures, failures=failures, statistics=statistics, checks=checks)


def says(name: str, sentence: str) -> dict[str, str]:
    """What an expectation carries in its `meta`, so that its result can be told without its kind."""
    return {"check": name, "says": sentence}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
