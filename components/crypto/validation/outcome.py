"""What a validation of candles found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from components.validation.outcome import Outcome


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


ValidationOutcome = Outcome[ValidationStatistics]
"""Whether the candles may be trained on."""
