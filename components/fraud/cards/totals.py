"""Integer totals of every window: what card features are made of, in whatever way they were counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
"""Counts, minor units, or buckets."""

NEVER = -1
"""An age or a wait that has no beginning."""


@dataclass(frozen=True)
class WindowTotals:
    """What one entity's windows hold at each of N moments; every array is int64 and exact.

    Transactions are those before the moment in order; matured ones are older than the label's delay; frauds are those
    whose label had come. S short windows in the order of `SHORT_WINDOWS`, L long ones in that of `LONG_WINDOWS`.
    """

    short_count: Integers
    """Transactions `[N, S]`."""

    short_amount: Integers
    """Their amounts `[N, S]`, minor units."""

    count: Integers
    """Transactions `[N, L]`."""

    amount: Integers
    """Their amounts `[N, L]`, minor units."""

    squares: Integers
    """Sum of their squared amounts `[N, L]`, each amount cut at `AMOUNT_CAP_MINOR`."""

    largest: Integers
    """Largest amount `[N, L]`, 0 where there is none."""

    matured: Integers
    """Matured transactions `[N, L]`."""

    matured_amount: Integers
    """Their amounts `[N, L]`."""

    frauds: Integers
    """Frauds `[N, L]`."""

    fraud_amount: Integers
    """Their amounts `[N, L]`."""

    first_fraud_hours: Integers
    """Hours since the earliest fraud of the longest window matured `[N]`, `NEVER` where there is none."""

    last_fraud_hours: Integers
    """Hours since the latest one `[N]`, likewise."""

    wait_us: Integers
    """Microseconds since the newest transaction `[N]`, `NEVER` where there is none."""
