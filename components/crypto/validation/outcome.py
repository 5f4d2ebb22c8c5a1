"""What a validation found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

Cell = str | float | int | bool | None


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
class SeriesStatistics:
    """One series.

    Attributes:
        unique_id: Its identity.
        bars: Distinct bars on the timeframe's grid.
        first: Open time of the oldest; None where no row is on the grid.
        last: Open time of the newest; None likewise.
        missing_bars: Bars of the grid between them that are absent.
        missing_fraction: `missing_bars` over all bars of the grid between them.
        longest_gap_bars: Longest run of absent bars.
        age_bars: Bars between the newest bar's close and the source's clock; negative where that bar is still open,
            None where no row is on the grid.
        misaligned: Rows off the grid.
        disordered: Rows that open before the row above them in the same series.
    """

    unique_id: str
    bars: int
    first: datetime | None
    last: datetime | None
    missing_bars: int
    missing_fraction: float
    longest_gap_bars: int
    age_bars: float | None
    misaligned: int
    disordered: int


@dataclass(frozen=True)
class ValidationStatistics:
    """Numbers of the whole table and of each series, sorted by identity."""

    rows: int
    series: Sequence[SeriesStatistics]


@dataclass(frozen=True)
class ValidationOutcome:
    """Whether the candles may be trained on; `failures` is empty exactly when `passed`."""

    passed: bool
    failures: Sequence[CheckFailure]
    statistics: ValidationStatistics
    checks: Sequence[CheckResult]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types; times in RFC 3339."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
