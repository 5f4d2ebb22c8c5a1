"""What the card features are: names, meaning, windows and the label's delay; `components.fraud.cards` computes them.

Windows are counted in buckets of a timestamp, so that a history and a stream agree to the bit: short ones in buckets of
a minute, long ones in buckets of an hour (`docs/architecture/fraud.md`). This module is light: the gateway and the
feature store read it without numpy.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

MINUTE_US = 60_000_000
"""Length of a bucket of the short windows, in microseconds."""

HOUR_US = 3_600_000_000
"""Length of a bucket of the long windows, in microseconds."""

LABEL_DELAY_SECONDS = 7 * 24 * 3600
"""A transaction's label speaks at the earliest this long after the transaction; a whole number of hours."""

LABEL_DELAY_US = LABEL_DELAY_SECONDS * 1_000_000
LABEL_DELAY_HOURS = LABEL_DELAY_SECONDS // 3600

SHORT_WINDOWS: dict[str, int] = {"10m": 10, "1h": 60}
"""Name and length in minutes."""

LONG_WINDOWS: dict[str, int] = {"1d": 24, "7d": 168, "30d": 720}
"""Name and length in hours, ascending."""

LONGEST_MINUTES = max(SHORT_WINDOWS.values())
LONGEST_HOURS = max(LONG_WINDOWS.values())

AMOUNT_CAP_MINOR = 2**23
"""Amounts enter the sums of squares cut at this, so that the sum of a window fits 64 bits."""

DEFINITION_VERSION = 1
"""Raised when the computation of a feature changes under an unchanged name."""


@dataclass(frozen=True)
class Feature:
    """One feature column, float32."""

    name: str
    description: str


def _row() -> list[Feature]:
    return [
        Feature("amount", "amount of the transaction, in major units (minor units / 100)"),
        Feature("hour", "hour of day of the transaction, UTC, 0 to 23"),
        Feature("weekend", "1 on Saturday and Sunday, UTC, else 0"),
        Feature("night", "1 from midnight to six, UTC, else 0"),
    ]


def _customer() -> list[Feature]:
    own = "of the customer's transactions"
    genuine = "mean amount of the customer's matured transactions that were no frauds"
    longest = list(LONG_WINDOWS)[-1]
    return [
        Feature("customer_seconds_since_last", "since the customer's newest transaction, at most 30 days"),
        *(Feature(f"customer_count_{w}", f"number {own} in the last {w}") for w in SHORT_WINDOWS),
        *(Feature(f"customer_amount_{w}", f"sum {own} in the last {w}") for w in SHORT_WINDOWS),
        *(Feature(f"customer_count_{w}", f"number {own} in the last {w}") for w in LONG_WINDOWS),
        *(Feature(f"customer_mean_{w}", f"mean amount {own} in the last {w}") for w in LONG_WINDOWS),
        *(Feature(f"amount_over_customer_mean_{w}", f"amount over customer_mean_{w}") for w in LONG_WINDOWS),
        *(Feature(f"customer_deviation_{w}", f"standard deviation {own} in the last {w}") for w in LONG_WINDOWS),
        Feature(f"customer_score_{longest}", f"amount less the mean, in deviations, {own} in the last {longest}"),
        *(Feature(f"amount_over_customer_largest_{w}", f"amount over the largest {own} in {w}") for w in LONG_WINDOWS),
        *(Feature(f"customer_genuine_mean_{w}", f"{genuine}, over {w}") for w in LONG_WINDOWS),
        *(Feature(f"amount_over_customer_genuine_mean_{w}", f"amount over the {genuine}, {w}") for w in LONG_WINDOWS),
        Feature(f"customer_frauds_{longest}", f"known frauds {own} whose label came in the last {longest}"),
        Feature("customer_last_fraud_hours", "hours since the newest known fraud of the customer matured; -1: none"),
    ]


def _terminal() -> list[Feature]:
    own = "of the terminal's transactions"
    longest = list(LONG_WINDOWS)[-1]
    return [
        *(Feature(f"terminal_count_{w}", f"number {own} in the last {w}") for w in (*SHORT_WINDOWS, *LONG_WINDOWS)),
        *(Feature(f"terminal_mean_{w}", f"mean amount {own} in the last {w}") for w in LONG_WINDOWS),
        *(Feature(f"terminal_largest_{w}", f"largest amount {own} in the last {w}") for w in LONG_WINDOWS),
        *(Feature(f"terminal_matured_{w}", f"matured transactions of the terminal in {w}") for w in LONG_WINDOWS),
        *(Feature(f"terminal_frauds_{w}", f"known frauds {own} whose label came in {w}") for w in LONG_WINDOWS),
        *(
            Feature(f"terminal_risk_{w}", f"terminal_frauds_{w} over terminal_matured_{w}, at most 1")
            for w in LONG_WINDOWS
        ),
        *(Feature(f"terminal_fraud_mean_{w}", f"mean amount of terminal_frauds_{w}; -1: none") for w in LONG_WINDOWS),
        Feature(f"amount_over_terminal_fraud_mean_{longest}", f"amount over terminal_fraud_mean_{longest}; -1: none"),
        Feature(
            f"amount_over_terminal_genuine_mean_{longest}", "amount over the mean of matured ones, frauds left out"
        ),
        Feature("terminal_first_fraud_hours", f"hours since the first fraud of {longest} matured there; -1: none"),
        Feature("terminal_last_fraud_hours", f"hours since the newest fraud of {longest} matured there; -1: none"),
    ]


ROW_FEATURES = tuple(_row())
CUSTOMER_FEATURES = tuple(_customer())
TERMINAL_FEATURES = tuple(_terminal())
CARD_FEATURES = (*ROW_FEATURES, *CUSTOMER_FEATURES, *TERMINAL_FEATURES)
CARD_FEATURE_NAMES = tuple(feature.name for feature in CARD_FEATURES)


def card_feature_digest() -> str:
    """Twelve hex digits that change whenever a feature's name, meaning, window or order does, or the label's delay."""
    content = {
        "version": DEFINITION_VERSION,
        "features": [asdict(feature) for feature in CARD_FEATURES],
        "short_windows": SHORT_WINDOWS,
        "long_windows": LONG_WINDOWS,
        "buckets_us": [MINUTE_US, HOUR_US],
        "label_delay_seconds": LABEL_DELAY_SECONDS,
        "amount_cap_minor": AMOUNT_CAP_MINOR,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
