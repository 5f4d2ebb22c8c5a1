"""Features from integer totals: the one place where their formulas stand, for a row of a stream and a whole history.

Only additions, multiplications, divisions, square roots and comparisons of float64 are used. IEEE 754 rounds each of
them in one way, so the same totals give the same bits whatever the number of rows.
"""

import numpy as np
from numpy.typing import NDArray

from components.fraud.cards.totals import NEVER, Integers, WindowTotals
from feature_repo.fraud import HOUR_US, LONGEST_HOURS

Block = NDArray[np.float32]
Floats = NDArray[np.float64]

MINOR_PER_MAJOR = 100.0
LEAST_MEAN = 1.0
"""Means and deviations below one major unit count as one where something is divided by them."""

_DAY_HOURS = 24
_NIGHT_HOURS = 6
_THURSDAY = 3
"""Weekday of 1 January 1970, Monday 0."""


def row_block(occurred_us: Integers, amount_minor: Integers) -> Block:
    """Features of the transaction alone `[N, len(ROW_FEATURES)]`."""
    hours = occurred_us // HOUR_US
    hour, weekday = hours % _DAY_HOURS, (hours // _DAY_HOURS + _THURSDAY) % 7
    return _block(amount_minor / MINOR_PER_MAJOR, hour, weekday >= 5, hour < _NIGHT_HOURS)


def customer_block(totals: WindowTotals, amount_minor: Integers) -> Block:
    """Features of the customer `[N, len(CUSTOMER_FEATURES)]`.

    Args:
        totals: The customer's windows before each of N transactions.
        amount_minor: The transactions' own amounts `[N]`.
    """
    amount = amount_minor[:, None] / MINOR_PER_MAJOR
    count = np.maximum(totals.count, 1)
    mean = _major(totals.amount) / count
    variance = totals.squares / (MINOR_PER_MAJOR * MINOR_PER_MAJOR) / count - mean * mean
    deviation = np.sqrt(np.maximum(variance, 0.0))
    score = (amount - mean[:, -1:]) / np.maximum(deviation[:, -1:], LEAST_MEAN)
    genuine = _genuine_mean(totals)
    longest = float(LONGEST_HOURS * HOUR_US)
    wait = np.where(totals.wait_us == NEVER, longest, np.minimum(totals.wait_us, longest)) / 1e6
    return _block(
        wait,
        totals.short_count,
        _major(totals.short_amount),
        totals.count,
        mean,
        _ratio(amount, mean),
        deviation,
        np.where(totals.count[:, -1:] > 1, score, 0.0),
        _ratio(amount, _major(totals.largest)),
        genuine,
        _ratio(amount, genuine),
        totals.frauds[:, -1:],
        totals.last_fraud_hours,
    )


def terminal_block(totals: WindowTotals, amount_minor: Integers) -> Block:
    """Features of the terminal `[N, len(TERMINAL_FEATURES)]`; arguments as for `customer_block`."""
    amount = amount_minor[:, None] / MINOR_PER_MAJOR
    some = totals.frauds > 0
    fraud_mean = _major(totals.fraud_amount) / np.maximum(totals.frauds, 1)
    return _block(
        totals.short_count,
        totals.count,
        _major(totals.amount) / np.maximum(totals.count, 1),
        _major(totals.largest),
        totals.matured,
        totals.frauds,
        np.minimum(totals.frauds / np.maximum(totals.matured, 1), 1.0),
        np.where(some, fraud_mean, NEVER),
        np.where(some[:, -1:], _ratio(amount, fraud_mean[:, -1:]), NEVER),
        _ratio(amount, _genuine_mean(totals)[:, -1:]),
        totals.first_fraud_hours,
        totals.last_fraud_hours,
    )


def _genuine_mean(totals: WindowTotals) -> Floats:
    """Mean amount of matured transactions, frauds taken out; a label that came late may take out an older one."""
    count = np.maximum(totals.matured - totals.frauds, 1)
    mean: Floats = _major(np.maximum(totals.matured_amount - totals.fraud_amount, 0)) / count
    return mean


def _major(minor: Integers) -> Floats:
    major: Floats = minor / MINOR_PER_MAJOR
    return major


def _ratio(amount: Floats, mean: Floats) -> Floats:
    ratio: Floats = amount / np.maximum(mean, LEAST_MEAN)
    return ratio


def _block(*columns: NDArray[np.generic]) -> Block:
    """Columns `[N]` and groups of columns `[N, k]` side by side as float32."""
    wide = [column[:, None] if column.ndim == 1 else column for column in columns]
    return np.concatenate(wide, axis=1, dtype=np.float32, casting="unsafe")
