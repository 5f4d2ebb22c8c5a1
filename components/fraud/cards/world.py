"""Who pays where, when and how much: the genuine half of the simulator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.fraud.cards.totals import Integers
from feature_repo.fraud import HOUR_US

Floats = NDArray[np.float64]

PAYMENTS_A_DAY = 2.0
"""Mean over customers."""

TERMINALS_A_CUSTOMER = 1
WEEK_HOURS = 168

_PEAK_HOURS = (10.5, 14.0, 19.5)
"""Centres of the day of the three kinds of customers: morning, afternoon, evening; hours UTC."""

_PEAK_WIDTH = 3.5
_HOLIDAY_SHARE = 0.006
_BURST_SHARE = 0.001
_BURST_US = 10 * 60_000_000


@dataclass(frozen=True)
class Payments:
    """Rows of equal length; `fraud` and `pattern` are 0 for what is genuine."""

    occurred_us: Integers
    customer: Integers
    terminal: Integers
    amount: Floats
    """Major units."""
    pattern: Integers
    """Index into `PATTERNS`."""

    def take(self, rows: Integers | NDArray[np.bool_]) -> "Payments":
        """Some of the rows, by index or mask."""
        return Payments(
            self.occurred_us[rows], self.customer[rows], self.terminal[rows], self.amount[rows], self.pattern[rows]
        )

    @staticmethod
    def joined(*parts: "Payments") -> "Payments":
        """All rows, part after part."""
        columns = zip(*((p.occurred_us, p.customer, p.terminal, p.amount, p.pattern) for p in parts), strict=True)
        return Payments(*(np.concatenate(column) for column in columns))


class World:
    """Customers and terminals on a ring of places, drawn once; about 100 bytes each."""

    def __init__(self, customers: int, rng: np.random.Generator) -> None:
        self.customers, self.terminals = customers, customers * TERMINALS_A_CUSTOMER
        self.rate = rng.gamma(2.0, PAYMENTS_A_DAY / 2.0, customers)
        self.home = rng.integers(0, self.terminals, customers)
        self.reach = rng.lognormal(np.log(4.0), 0.6, customers)
        self.habit = rng.integers(0, len(_PEAK_HOURS), customers)
        self.level = rng.normal(np.log(28.0), 0.7, customers)
        self.variety = rng.uniform(0.3, 0.75, customers)
        self.price = rng.normal(0.0, 0.25, self.terminals)
        self._rhythm = _rhythms()

    def payments(self, rng: np.random.Generator, start_us: int, hours: int) -> Payments:
        """Genuine payments of some hours, unsorted; a few follow shortly after the end of the last hour."""
        slots = (start_us // HOUR_US + np.arange(hours)) % WEEK_HOURS
        counts = rng.poisson(self.rate[:, None] * self._rhythm[self.habit][:, slots])
        customer, slot = np.nonzero(counts)
        times = counts[customer, slot]
        customer, slot = np.repeat(customer, times), np.repeat(slot, times)
        occurred = start_us + slot * HOUR_US + rng.integers(0, HOUR_US, len(customer))
        terminal = self.nearby(rng, customer)
        amount = self.amounts(rng, customer, terminal)
        holiday = rng.random(len(customer)) < _HOLIDAY_SHARE
        amount = np.where(holiday, amount * rng.uniform(2.5, 6.0, len(customer)), amount)
        usual = Payments(occurred, customer, terminal, amount, np.zeros(len(customer), dtype=np.int64))
        return Payments.joined(usual, self._bursts(rng, usual))

    def nearby(self, rng: np.random.Generator, customer: Integers) -> Integers:
        """A terminal for each payment, near the customer's home on the ring."""
        steps = np.rint(rng.normal(0.0, 1.0, len(customer)) * self.reach[customer]).astype(np.int64)
        terminal: Integers = (self.home[customer] + steps) % self.terminals
        return terminal

    def amounts(self, rng: np.random.Generator, customer: Integers, terminal: Integers) -> Floats:
        """Log-normal amounts about the customer's level and the terminal's prices."""
        spread = rng.normal(0.0, 1.0, len(customer)) * self.variety[customer]
        return np.exp(self.level[customer] + self.price[terminal] + spread)

    def _bursts(self, rng: np.random.Generator, usual: Payments) -> Payments:
        """Several small purchases in a row, as at a vending machine: not every burst is a fraud."""
        first = usual.take(rng.random(len(usual.customer)) < _BURST_SHARE)
        times = rng.integers(1, 6, len(first.customer))
        burst = first.take(np.repeat(np.arange(len(times)), times))
        size = len(burst.customer)
        return Payments(
            burst.occurred_us + rng.integers(0, _BURST_US, size),
            burst.customer,
            burst.terminal,
            rng.uniform(1.0, 8.0, size),
            burst.pattern,
        )


def _rhythms() -> Floats:
    """Share of a day's payments in each hour of the week `[kinds, WEEK_HOURS]`, hour 0 on a Thursday at midnight."""
    hour = np.arange(WEEK_HOURS) % 24 + 0.5
    weekend = np.isin((np.arange(WEEK_HOURS) // 24 + 3) % 7, (5, 6))
    rows = []
    for peak in _PEAK_HOURS:
        away = np.abs(hour - peak)
        away = np.minimum(away, 24 - away)
        weight = (np.exp(-0.5 * (away / _PEAK_WIDTH) ** 2) + 0.02) * np.where(weekend, 1.2, 1.0)
        rows.append(weight / weight.sum() * 7)
    return np.array(rows)
