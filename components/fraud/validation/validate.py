"""Validate a transactions, flows or accounts Parquet file."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.fraud.detectors import DETECTORS
from components.fraud.validation.statistics import (
    TableStatistics,
    feature_frame,
    measure,
    read_table,
    schema_frame,
    summary_frame,
    transaction_frame,
)
from components.fraud.validation.suite import (
    TOLERANCES,
    Tolerance,
    encoded_suite,
    feature_suite,
    schema_suite,
    summary_suite,
    transaction_suite,
)
from components.pages.render import write_page
from components.validation.outcome import CheckResult, Outcome, outcome_of

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATE = Path(__file__).with_name("page.html.j2")

ValidationOutcome = Outcome[TableStatistics]
"""Whether a table may be trained on."""

_TITLES = {"card": "Transactions", "network": "Flows", "crypto": "Accounts"}
_TEXTS = {"card": (), "network": ("row_id", "group", "attack", "attack_class", "part"), "crypto": ("row_id", "group")}


def validate_table(
    table: Path, report_html: Path, *, detector: str, clock: datetime, tolerance: Tolerance | None = None
) -> ValidationOutcome:
    """Check a table against its suite and write a page that reads offline, whether it passes or not.

    Where columns or types are wrong nothing else is checked. About half a kilobyte of memory a row.

    Args:
        table: Parquet: `transactions` for `card`, `flows` for `network`, `accounts` for `crypto`.
        report_html: Where the page goes.
        detector: Whose table it is.
        clock: When the run began, with a time zone; what lies in the future is judged by it.
        tolerance: What is still accepted; the detector's own by default.

    Raises:
        ValidationError: The file cannot be read.
        ValueError: There is no such detector, or the clock has no time zone.
    """
    if detector not in DETECTORS:
        raise ValueError(f"there is no detector {detector!r}; choose one of {', '.join(DETECTORS)}")
    if clock.tzinfo is None:
        raise ValueError(f"the clock {clock} has no time zone; pass an aware datetime")
    read = read_table(table)
    outcome = _validate(read, detector, clock, tolerance or TOLERANCES[detector])
    write_page(report_html, TEMPLATE, what=_TITLES[detector], outcome=outcome, clock=clock)
    return outcome


def _validate(table: "pa.Table", detector: str, clock: datetime, tolerance: Tolerance) -> ValidationOutcome:
    from components.validation.engine import run_suite

    checks = run_suite("schema", schema_frame(table, ()), schema_suite(_types(detector)), ["column"])
    if not all(check.passed for check in checks):
        return outcome_of(checks, TableStatistics(rows=len(table)))
    statistics = measure(table)
    timed = detector == "card"
    checks += _card_checks(table, clock, tolerance) if timed else _encoded_checks(table, detector)
    checks += run_suite("summary", summary_frame(statistics), summary_suite(tolerance, timed=timed), ["table"])
    return outcome_of(checks, statistics)


def _card_checks(table: "pa.Table", clock: datetime, tolerance: Tolerance) -> Sequence[CheckResult]:
    from components.validation.engine import run_suite

    return run_suite(
        "transactions", transaction_frame(table, clock), transaction_suite(tolerance), ["transaction_id", "occurred_at"]
    )


def _encoded_checks(table: "pa.Table", detector: str) -> Sequence[CheckResult]:
    from components.validation.engine import run_suite

    keys = table.select([*_TEXTS[detector], "fraud"]).to_pandas()
    rows = run_suite("rows", keys, encoded_suite(detector), ["row_id"])
    features = feature_frame(table, DETECTORS[detector].feature_names)
    return [*rows, *run_suite("features", features, feature_suite(detector), ["feature"])]


def _types(detector: str) -> Mapping[str, str]:
    """Every column of the detector's table and its type."""
    if detector == "card":
        from components.fraud.cards.table import TRANSACTION_SCHEMA

        return {field.name: str(field.type) for field in TRANSACTION_SCHEMA}
    features = dict.fromkeys(DETECTORS[detector].feature_names, "float")
    return {**dict.fromkeys(_TEXTS[detector], "string"), **features, "fraud": "int8"}
