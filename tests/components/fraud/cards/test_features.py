"""Every feature against its description, counted the long way."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from feature_repo.fraud import (
    AMOUNT_CAP_MINOR,
    CARD_FEATURE_NAMES,
    HOUR_US,
    LABEL_DELAY_US,
    LONG_WINDOWS,
    MINUTE_US,
    card_feature_digest,
)
from tests.components.fraud.cards.conftest import Row, stream

FIRST_US = 1_767_225_600_000_000
GOLDEN = ("88d5233c9463", "5a2c4b02165f")
"""Digest of the definitions, and of the values that they give a fixed history."""


def long_way(rows: Sequence[Row], index: int, name: str) -> float:
    """One feature of one row, by loops over all rows before it."""
    row = rows[index]
    amount = row.amount_minor / 100
    for entity in ("customer", "terminal"):
        if entity in name:
            return entity_feature(rows, index, name.replace(entity + "_", ""), entity, amount)
    hours = row.occurred_us // HOUR_US
    weekday = (hours // 24 + 3) % 7
    return {"amount": amount, "hour": hours % 24, "weekend": weekday >= 5, "night": hours % 24 < 6}[name]


def entity_feature(rows: Sequence[Row], index: int, name: str, entity: str, amount: float) -> float:
    now = rows[index].occurred_us
    own = [r for r in rows[:index] if getattr(r, f"{entity}_id") == getattr(rows[index], f"{entity}_id")]
    window = name.rpartition("_")[2]
    if window in ("10m", "1h"):
        length, bucket = {"10m": (10, MINUTE_US), "1h": (60, MINUTE_US)}[window]
    else:
        length, bucket = LONG_WINDOWS.get(window, 720), HOUR_US
    here = now // bucket

    def major(row: Row) -> float:
        return min(row.amount_minor, AMOUNT_CAP_MINOR) / 100

    recent = [major(r) for r in own if here - length < r.occurred_us // bucket <= here]
    ripe = [r for r in own if here - length <= (r.occurred_us + LABEL_DELAY_US) // bucket < here]
    counted = [
        (max(r.occurred_us + LABEL_DELAY_US, r.known_us) // bucket, major(r)) for r in own if r.fraud and r.known_us
    ]
    frauds = [(at, paid) for at, paid in counted if here - length <= at < here]
    mean = sum(recent) / max(len(recent), 1)
    deviation = max(sum(x * x for x in recent) / max(len(recent), 1) - mean * mean, 0) ** 0.5
    lost = sum(paid for _, paid in frauds)
    genuine = (sum(major(r) for r in ripe) - lost) / max(len(ripe) - len(frauds), 1)
    fraud_mean = lost / len(frauds) if frauds else -1.0
    stem = name.rpartition("_")[0] if window in ("10m", "1h", *LONG_WINDOWS) else name
    values = {
        "seconds_since_last": min((now - own[-1].occurred_us) / 1e6, 30 * 86400) if own else 30 * 86400,
        "count": len(recent),
        "amount": sum(recent),
        "mean": mean,
        "amount_over_mean": amount / max(mean, 1),
        "deviation": deviation,
        "score": (amount - mean) / max(deviation, 1) if len(recent) > 1 else 0,
        "largest": max(recent, default=0),
        "amount_over_largest": amount / max(max(recent, default=0), 1),
        "genuine_mean": genuine,
        "amount_over_genuine_mean": amount / max(genuine, 1),
        "matured": len(ripe),
        "frauds": len(frauds),
        "risk": min(len(frauds) / max(len(ripe), 1), 1),
        "fraud_mean": fraud_mean,
        "amount_over_fraud_mean": amount / max(fraud_mean, 1) if frauds else -1,
        "first_fraud_hours": here - min(frauds)[0] if frauds else -1,
        "last_fraud_hours": here - max(frauds)[0] if frauds else -1,
    }
    return values[stem]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Three months of two customers at two terminals in bursts, a fifth of it fraud, every label on time."""
    rng = np.random.default_rng(3)
    waits = np.where(rng.random(260) < 0.5, rng.integers(0, 20 * MINUTE_US, 260), rng.integers(0, 18 * HOUR_US, 260))
    at = FIRST_US + np.cumsum(waits)
    return [
        Row(
            f"T{i:03}",
            int(at[i]),
            "ab"[rng.integers(2)],
            "xy"[rng.integers(2)],
            int(rng.integers(0, 50_000)) if i % 50 else 2 * AMOUNT_CAP_MINOR,
            bool(rng.random() < 0.2),
            int(at[i]) + LABEL_DELAY_US,
        )
        for i in range(260)
    ]


def test_each_feature_is_what_its_description_says(rows: list[Row]) -> None:
    found, _ = stream(rows)
    expected = [[long_way(rows, i, name) for name in CARD_FEATURE_NAMES] for i in range(len(rows))]
    for column, name in enumerate(CARD_FEATURE_NAMES):
        wanted = np.array(expected, dtype=np.float64)[:, column]
        # The difference of squares loses digits where amounts are large; everything else is exact in float32.
        slack = 0.02 if "deviation" in name or "score" in name else 1e-6
        np.testing.assert_allclose(found[:, column], wanted, rtol=slack, atol=slack, err_msg=name)
        assert len(set(found[:, column])) > 1, f"{name} never varies in this history"


def test_a_digest_stands_for_the_same_values_on_every_machine() -> None:
    """Where only the second differs, a formula changed under its name: raise `DEFINITION_VERSION`, then write both."""
    rows, at = [], FIRST_US
    for i in range(300):
        at += i * i * 7919 % 61 * MINUTE_US + i * 104_729 % 23 * HOUR_US // 2
        fraud = i * 31 % 11 < 2
        rows.append(
            Row(f"T{i:03}", at, "abc"[i * 17 % 3], "xy"[i * i % 2], i * 6_700_417 % 90_001, fraud, at + LABEL_DELAY_US)
        )
    values = hashlib.sha256(stream(rows)[0].astype("<f4").tobytes()).hexdigest()[:12]
    assert (card_feature_digest(), values) == GOLDEN
