"""The expectations, and what each says in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from components.fraud.network.fields import ATTACK_CLASSES
from components.fraud.splits import WARM_UP
from components.validation.outcome import says
from feature_repo.fraud import LABEL_DELAY_SECONDS

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

CURRENCIES = ("EUR",)
EMBARGOES = 4
FEWEST_DAYS_TO_SPLIT = 5


@dataclass(frozen=True)
class Tolerance:
    """What is still accepted.

    Attributes:
        min_fraud_share: Of the labelled rows.
        max_fraud_share: Likewise.
        min_frauds: Fewest frauds that five slices can share.
        min_history_days: Warm-up, an embargo between every two slices, and a day for each slice.
        min_label_delay_seconds: From a transaction to its label.
    """

    min_fraud_share: float
    max_fraud_share: float
    min_frauds: int = 50
    min_history_days: float = (WARM_UP + EMBARGOES * timedelta(seconds=LABEL_DELAY_SECONDS)).days + FEWEST_DAYS_TO_SPLIT
    min_label_delay_seconds: int = LABEL_DELAY_SECONDS


TOLERANCES: Mapping[str, Tolerance] = {
    "card": Tolerance(min_fraud_share=0.0005, max_fraud_share=0.2),
    "network": Tolerance(min_fraud_share=0.02, max_fraud_share=0.95),
    "crypto": Tolerance(min_fraud_share=0.01, max_fraud_share=0.9),
}
"""By detector: what the public sets and any honest labelling of such rows lie well within."""


def schema_suite(types: Mapping[str, str]) -> "list[Expectation]":
    """Columns and their types, over the table of `schema_frame`; nothing else can be checked where these fail."""
    import great_expectations.expectations as gxe

    names = list(types)
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return [
        gxe.ExpectColumnDistinctValuesToEqualSet(
            column="column", value_set=names, meta=says("columns", f"the columns are {shown}")
        ),
        gxe.ExpectColumnPairValuesToBeInSet(
            column_A="column",
            column_B="type",
            value_pairs_set=list(types.items()),
            meta=says("types", f"their types are {', '.join(sorted(set(types.values())))}, each where it belongs"),
        ),
    ]


def transaction_suite(tolerance: Tolerance) -> "list[Expectation]":
    """What must hold of transactions, row by row, over the table of `transaction_frame`."""
    import great_expectations.expectations as gxe

    between = gxe.ExpectColumnValuesToBeBetween
    delay = timedelta(seconds=tolerance.min_label_delay_seconds)
    needed = ("transaction_id", "occurred_at", "customer_id", "terminal_id", "amount_minor", "currency")
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, meta=says("not_empty", "there is at least one transaction")),
        *_never_missing(needed),
        gxe.ExpectColumnValuesToBeUnique(
            column="transaction_id", meta=says("unique_transactions", "every transaction_id occurs once")
        ),
        between(
            column="amount_minor", min_value=0, meta=says("amounts_not_negative", "no amount is less than nothing")
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="currency",
            value_set=list(CURRENCIES),
            meta=says("currency", f"every amount is in {' or '.join(CURRENCIES)}"),
        ),
        between(
            column="step_seconds", min_value=0, meta=says("sorted", "transactions stand in the order they happened in")
        ),
        between(
            column="age_seconds", min_value=0, meta=says("no_future", "no transaction happened after the run began")
        ),
        _truth(),
        between(
            column="half_labelled",
            max_value=0,
            meta=says("labels_have_times", "a label has the time it was known at, and no time is without a label"),
        ),
        between(
            column="label_delay_seconds",
            min_value=tolerance.min_label_delay_seconds,
            meta=says("labels_not_early", f"no label is known before {delay.days} days have passed"),
        ),
        between(
            column="label_age_seconds",
            min_value=0,
            meta=says("no_future_labels", "no label became known after the run began"),
        ),
    ]


def encoded_suite(detector: str) -> "list[Expectation]":
    """What must hold of flows and accounts, row by row."""
    import great_expectations.expectations as gxe

    checks = [
        gxe.ExpectTableRowCountToBeBetween(min_value=1, meta=says("not_empty", "there is at least one row")),
        *_never_missing(("row_id", "group", "fraud")),
        gxe.ExpectColumnValuesToBeUnique(column="row_id", meta=says("unique_rows", "every row_id occurs once")),
        _truth(),
    ]
    if detector == "network":
        allowed = {"attack_class": list(ATTACK_CLASSES), "part": ["train", "test"]}
        checks += [
            gxe.ExpectColumnValuesToBeInSet(
                column=column, value_set=values, meta=says(f"known_{column}", f"{column} is {', '.join(values)}")
            )
            for column, values in allowed.items()
        ]
    return checks


def feature_suite(detector: str) -> "list[Expectation]":
    """What must hold of every feature of flows and accounts, over the table of `feature_frame`."""
    import great_expectations.expectations as gxe

    between = gxe.ExpectColumnValuesToBeBetween
    finite = between(column="infinite", max_value=0, meta=says("finite", "no feature is infinite"))
    whole = between(column="missing", max_value=0, meta=says("complete", "no feature of a flow is missing"))
    return [finite, whole] if detector == "network" else [finite]


def summary_suite(tolerance: Tolerance, *, timed: bool) -> "list[Expectation]":
    """What must hold of the table as a whole, over the table of `summary_frame`."""
    import great_expectations.expectations as gxe

    between = gxe.ExpectColumnValuesToBeBetween
    low, high = tolerance.min_fraud_share, tolerance.max_fraud_share
    checks = [
        between(
            column="frauds",
            min_value=tolerance.min_frauds,
            meta=says("enough_frauds", f"at least {tolerance.min_frauds} rows are known frauds"),
        ),
        between(
            column="fraud_share",
            min_value=low,
            max_value=high,
            meta=says("fraud_share", f"between {low:.2%} and {high:.0%} of the labelled rows are frauds"),
        ),
    ]
    if timed:
        days = tolerance.min_history_days
        checks.append(
            between(
                column="history_days",
                min_value=days,
                meta=says("enough_history", f"the transactions span at least {days:g} days"),
            )
        )
    return checks


def _never_missing(names: Sequence[str]) -> "list[Expectation]":
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToNotBeNull(column=name, meta=says(f"no_null_{name}", f"{name} is never missing"))
        for name in names
    ]


def _truth() -> "Expectation":
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(
        column="fraud", value_set=[0, 1], meta=says("truth", "fraud is 0 or 1 where it is known")
    )
