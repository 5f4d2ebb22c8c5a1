"""The expectations, and what each says in words.

Every expectation carries its stable name and its sentence in `meta`, so that a result can be told without its kind.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.crypto.candles.port import VALUE_COLUMNS
from components.crypto.candles.table import CANDLE_SCHEMA
from components.validation.outcome import says
from feature_repo.crypto import HORIZON_BARS, WARM_UP_BARS, WINDOW_BARS

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

PRICE_COLUMNS = VALUE_COLUMNS[:4]

MIN_HISTORY_BARS = WARM_UP_BARS + WINDOW_BARS + HORIZON_BARS
"""Bars below which not one window of features with its targets can be formed."""


@dataclass(frozen=True)
class Tolerance:
    """What is still accepted.

    Attributes:
        max_missing_fraction: Of a series' bars between its first and its last.
        max_age_bars: Between the close of a series' newest bar and the source's clock.
        min_history_bars: Bars that each series must hold.
        expected_series: Identities that must be there; others may be, too.
    """

    max_missing_fraction: float = 0.01
    max_age_bars: float = 2.0
    min_history_bars: int = MIN_HISTORY_BARS
    expected_series: Sequence[str] = ()


def schema_suite() -> "list[Expectation]":
    """Columns and their types, over the table of `schema_frame`; nothing else can be checked where these fail."""
    import great_expectations.expectations as gxe

    names = CANDLE_SCHEMA.names
    pairs = [(field.name, str(field.type)) for field in CANDLE_SCHEMA]
    return [
        gxe.ExpectColumnDistinctValuesToEqualSet(
            column="column", value_set=names, meta=says("columns", f"the columns are {', '.join(names)}")
        ),
        gxe.ExpectColumnPairValuesToBeInSet(
            column_A="column",
            column_B="type",
            value_pairs_set=pairs,
            meta=says("types", f"their types are {', '.join(f'{name} {kind}' for name, kind in pairs)}"),
        ),
    ]


def candle_suite() -> "list[Expectation]":
    """What must hold of the candles, row by row."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, meta=says("not_empty", "there is at least one candle")),
        *[
            gxe.ExpectColumnValuesToNotBeNull(column=name, meta=says(f"no_null_{name}", f"{name} is never missing"))
            for name in CANDLE_SCHEMA.names
        ],
        *[_at_least("high", other, f"high_at_least_{other}") for other in ("open", "close")],
        *[_at_least(other, "low", f"low_at_most_{other}") for other in ("open", "close")],
        *[
            gxe.ExpectColumnValuesToBeBetween(
                column=name,
                min_value=0,
                strict_min=True,
                max_value=sys.float_info.max,
                meta=says(f"positive_{name}", f"{name} is positive and finite"),
            )
            for name in PRICE_COLUMNS
        ],
        gxe.ExpectColumnValuesToBeBetween(
            column="volume",
            min_value=0,
            max_value=sys.float_info.max,
            meta=says("volume_not_negative", "volume is finite and not negative"),
        ),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["unique_id", "ds"], meta=says("unique_bars", "a series holds each bar once")
        ),
    ]


def series_suite(tolerance: Tolerance) -> "list[Expectation]":
    """What must hold of each series, over the table of `series_frame`."""
    import great_expectations.expectations as gxe

    between = gxe.ExpectColumnValuesToBeBetween
    missing, age, history = tolerance.max_missing_fraction, tolerance.max_age_bars, tolerance.min_history_bars
    checks = [
        between(column="misaligned", max_value=0, meta=says("aligned", "every bar opens on the timeframe's grid")),
        between(column="disordered", max_value=0, meta=says("sorted", "each series is sorted by open time")),
        between(
            column="missing_fraction",
            max_value=missing,
            meta=says("missing_within_tolerance", f"at most {missing:.2%} of a series' bars are missing"),
        ),
        between(
            column="age_bars",
            max_value=age,
            meta=says("fresh", f"the newest bar closed at most {age:g} bars before the source's clock"),
        ),
        between(column="age_bars", min_value=0, meta=says("closed", "the newest bar had closed by the source's clock")),
        between(
            column="bars", min_value=history, meta=says("enough_history", f"each series holds at least {history} bars")
        ),
    ]
    if tolerance.expected_series:
        expected = list(tolerance.expected_series)
        meta = says("expected_series", f"the series {', '.join(expected)} are there")
        checks.append(gxe.ExpectColumnDistinctValuesToContainSet(column="unique_id", value_set=expected, meta=meta))
    return checks


def _at_least(larger: str, smaller: str, name: str) -> "Expectation":
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger,
        column_B=smaller,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        meta=says(name, f"{larger} is never below {smaller}"),
    )
