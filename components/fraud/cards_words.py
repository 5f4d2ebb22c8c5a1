"""Raw fields of a card transaction, and its features in words."""

import math
from collections.abc import Mapping

from components.fraud.raw_fields import RawField, number
from feature_repo.fraud import CARD_FEATURES, LONG_WINDOWS, SHORT_WINDOWS

CARD_RECORD: tuple[RawField, ...] = (
    RawField("transaction_id", kind="text", required=False),
    RawField("customer_id", kind="text"),
    RawField("terminal_id", kind="text"),
    RawField("amount_minor", kind="count"),
    RawField("currency", kind="text", required=False),
    RawField("occurred_at", kind="text", required=False),
)

NONE = -1.0
"""What a feature holds that counts from a fraud, or averages frauds, where there was none."""

_SPANS = {
    **{name: "an hour" if minutes == 60 else f"{minutes} minutes" for name, minutes in SHORT_WINDOWS.items()},
    **{name: "a day" if hours == 24 else f"{hours // 24} days" for name, hours in LONG_WINDOWS.items()},
}

# {v} is the value, {s} the plural's s, {w} the window, {%} the value as a percentage.
_BY_WINDOW = {
    "customer_count": "{v} transaction{s} of the customer within {w}",
    "customer_amount": "customer spent {v} within {w}",
    "customer_mean": "customer's mean amount of {w} is {v}",
    "customer_deviation": "customer's amounts of {w} deviate by {v}",
    "customer_score": "amount is {v} deviations above the customer's mean of {w}",
    "customer_genuine_mean": "customer's mean genuine amount of {w} is {v}",
    "customer_frauds": "{v} fraud{s} of the customer became known within {w}",
    "amount_over_customer_mean": "amount is {v} times the customer's mean of {w}",
    "amount_over_customer_largest": "amount is {v} times the customer's largest of {w}",
    "amount_over_customer_genuine_mean": "amount is {v} times the customer's genuine mean of {w}",
    "terminal_count": "{v} transaction{s} at the terminal within {w}",
    "terminal_mean": "terminal's mean amount of {w} is {v}",
    "terminal_largest": "terminal's largest amount of {w} is {v}",
    "terminal_matured": "{v} transaction{s} at the terminal became due for a label within {w}",
    "terminal_frauds": "{v} fraud{s} at the terminal became known within {w}",
    "terminal_risk": "{%} of the terminal's labels of {w} are frauds",
    "terminal_fraud_mean": "terminal's mean fraud of {w} is {v}",
    "amount_over_terminal_fraud_mean": "amount is {v} times the terminal's mean fraud of {w}",
    "amount_over_terminal_genuine_mean": "amount is {v} times the terminal's genuine mean of {w}",
}

_ALONE = {
    "amount": "amount is {v}",
    "hour": "hour of day is {v} UTC",
    "weekend": "on a weekend: {yes}",
    "night": "at night: {yes}",
    "customer_seconds_since_last": "{v} second{s} after the customer's last transaction",
    "customer_last_fraud_hours": "{v} hour{s} since the customer's newest fraud became known",
    "terminal_first_fraud_hours": "{v} hour{s} since the first recent fraud at the terminal became known",
    "terminal_last_fraud_hours": "{v} hour{s} since the newest fraud at the terminal became known",
}

_WITHOUT = {
    "customer_last_fraud_hours": "no fraud of the customer is known",
    "terminal_first_fraud_hours": "no recent fraud at the terminal is known",
    "terminal_last_fraud_hours": "no recent fraud at the terminal is known",
    "terminal_fraud_mean": "no fraud at the terminal became known within {w}",
    "amount_over_terminal_fraud_mean": "no fraud at the terminal became known within {w}",
}

# A feature that compares with a past means nothing where there is none: what counts that past, and what is said then.
_RESTS_ON = {
    "amount_over_customer_mean": ("customer_count", "the customer has no transaction within {w}"),
    "amount_over_customer_largest": ("customer_count", "the customer has no transaction within {w}"),
    "customer_mean": ("customer_count", "the customer has no transaction within {w}"),
    "customer_score": ("customer_count", "the customer has no transaction within {w}"),
    "amount_over_customer_genuine_mean": (
        "customer_genuine_mean",
        "no transaction of the customer within {w} is known to be genuine",
    ),
    "amount_over_terminal_genuine_mean": (
        "terminal_matured",
        "no transaction at the terminal became due for a label within {w}",
    ),
}

_DESCRIPTIONS: Mapping[str, str] = {feature.name: feature.description for feature in CARD_FEATURES}


def say_card_feature(feature: str, value: float) -> str:
    """A feature's value in words, such as `3 transactions of the customer within 10 minutes`.

    A feature that nobody found words for is said by its description.
    """
    stem, _, window = feature.rpartition("_")
    if feature in _ALONE:
        template, without, window = _ALONE[feature], _WITHOUT.get(feature), ""
    elif window in _SPANS and stem in _BY_WINDOW:
        template, without = _BY_WINDOW[stem], _WITHOUT.get(stem)
    else:
        return f"{_DESCRIPTIONS.get(feature, feature.replace('_', ' '))}: {_shown(value)}"
    if math.isnan(value):
        return f"{feature.replace('_', ' ')} is missing"
    if without is not None and value == NONE:
        template = without
    shown = _shown(value)
    parts = {"v": shown, "s": "" if shown == "1" else "s", "w": _SPANS.get(window, ""), "%": f"{100 * value:.0f} %"}
    return template.format(yes="yes" if value >= 0.5 else "no", **parts)


def say_missing_past(feature: str, row: Mapping[str, float | None]) -> str | None:
    """What to say of a comparison with a past that a row does not have; None where it has one, or nothing compares."""
    stem, _, window = feature.rpartition("_")
    if stem not in _RESTS_ON or window not in _SPANS:
        return None
    past, says = _RESTS_ON[stem]
    return says.format(w=_SPANS[window]) if row.get(f"{past}_{window}") == 0 else None


def _shown(value: float) -> str:
    return "missing" if math.isnan(value) else number(value)
