"""Raw fields of a card transaction, and its features in words."""

import math

from components.fraud.raw_fields import RawField, number

CARD_RECORD: tuple[RawField, ...] = (
    RawField("transaction_id", kind="text", required=False),
    RawField("customer_id", kind="text"),
    RawField("terminal_id", kind="text"),
    RawField("amount_minor", kind="count"),
    RawField("currency", kind="text", required=False),
    RawField("occurred_at", kind="text", required=False),
)


def say_card_feature(feature: str, value: float) -> str:
    """A feature's value in words."""
    shown = "missing" if math.isnan(value) else number(value)
    return f"{feature.replace('_', ' ')} is {shown}"
