"""Validate a candles Parquet file."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.crypto.series import Timeframe
from components.crypto.validation.outcome import ValidationOutcome, ValidationStatistics
from components.crypto.validation.suite import MIN_HISTORY_BARS, Tolerance
from components.validation.outcome import outcome_of

if TYPE_CHECKING:
    import pyarrow as pa


def validate_candles(
    candles: Path,
    report_html: Path,
    *,
    timeframe: str,
    source_clock: datetime,
    max_missing_fraction: float = 0.01,
    max_age_bars: float = 2.0,
    min_history_bars: int = MIN_HISTORY_BARS,
    expected_series: Sequence[str] = (),
) -> ValidationOutcome:
    """Check candles against the suite and write a page that reads offline, whether they pass or not.

    Where columns or types are wrong nothing else is checked.

    Args:
        candles: Parquet, table `candles`.
        report_html: Where the page goes; one file with everything in it.
        timeframe: Length of a bar.
        source_clock: The clock of the candles' source, with a time zone; what is fresh is judged by it.
        max_missing_fraction: Largest share of a series' bars that may be missing between its first and last.
        max_age_bars: Most bars between the close of a series' newest bar and the source's clock.
        min_history_bars: Fewest bars that a series may hold.
        expected_series: Identities that must be there.

    Raises:
        CandleError: The file cannot be read.
        ValueError: The timeframe is not served, or the clock has no time zone.
    """
    from components.crypto.validation.frames import read_table
    from components.crypto.validation.page import write_page

    if source_clock.tzinfo is None:
        raise ValueError(f"the source's clock {source_clock} has no time zone; pass an aware datetime")
    tolerance = Tolerance(max_missing_fraction, max_age_bars, min_history_bars, expected_series)
    table = read_table(candles)
    outcome = _validate(table, Timeframe(timeframe), source_clock, tolerance)
    write_page(outcome, table, report_html, timeframe=Timeframe(timeframe), source_clock=source_clock)
    return outcome


def _validate(
    table: "pa.Table", timeframe: Timeframe, source_clock: datetime, tolerance: Tolerance
) -> ValidationOutcome:
    from components.crypto.validation.frames import schema_frame, series_frame, series_statistics
    from components.crypto.validation.suite import candle_suite, schema_suite, series_suite
    from components.validation.engine import run_suite

    checks = run_suite("schema", schema_frame(table), schema_suite(), ["column"])
    if not all(check.passed for check in checks):
        return outcome_of(checks, ValidationStatistics(rows=len(table), series=[]))
    statistics = series_statistics(table, timeframe, source_clock)
    checks += run_suite("candles", table.to_pandas(), candle_suite(), ["unique_id", "ds"])
    checks += run_suite("series", series_frame(statistics), series_suite(tolerance), ["unique_id"])
    return outcome_of(checks, ValidationStatistics(rows=len(table), series=statistics))
