"""Four ways to commit card fraud: the other half of the simulator."""

import numpy as np
from numpy.typing import NDArray

from components.fraud.cards.totals import Integers
from components.fraud.cards.world import Payments, World
from feature_repo.fraud import HOUR_US

PATTERNS = ("", "large_amount", "compromised_terminal", "stolen_card", "card_testing")
"""Words of the column `pattern`; the first is genuine."""

_LARGE, _TERMINAL, _STOLEN, _TESTING = range(1, 5)
_DAY_US = 24 * HOUR_US
_MINUTE_US = HOUR_US // 60

LARGE_SHARE = 0.0005
"""Of all payments: bought once with the card's number, for as much as shops accept without a question."""

TERMINALS_TAKEN = 0.004
"""Share of terminals that are compromised at any time; each skims part of what is paid there, for weeks."""

TERMINAL_DAYS = (21.0, 42.0)
CARDS_STOLEN = 0.0035
"""Share of cards that are in a thief's hands at any time, beside their owner's, for two weeks."""

STOLEN_DAYS = (14.0, 14.0)
TESTS_A_PAYMENT = 0.00015
"""Bursts of small payments that find out whether a card works; half of them end in a purchase."""


class _Episodes:
    """Who is under attack from when until when; as many at any time as the share says, one episode each at a time."""

    def __init__(self, size: int, share: float, days: tuple[float, float]) -> None:
        self._days = days
        self._under_way = max(1, round(share * size))
        self.starts = np.zeros(size, dtype=np.int64)
        self.ends = np.zeros(size, dtype=np.int64)
        self.strength = np.zeros(size)

    def begin(self, rng: np.random.Generator, start_us: int, hours: int, first: bool) -> None:
        """Draw episodes for those that have ended; they begin within some hours, at first also some time before."""
        free = np.flatnonzero(self.ends <= start_us)
        missing = self._under_way - (len(self.starts) - len(free))
        if missing <= 0:
            return
        who = rng.choice(free, min(missing, len(free)), replace=False)
        starts = start_us + rng.integers(0, hours * HOUR_US, len(who))
        if first:
            starts -= (rng.random(len(who)) * self._days[0] * _DAY_US).astype(np.int64)
        self.starts[who] = starts
        self.ends[who] = starts + (rng.uniform(*self._days, len(who)) * _DAY_US).astype(np.int64)
        self.strength[who] = rng.uniform(0.5, 1.0, len(who))

    def hit(self, rng: np.random.Generator, who: Integers, at_us: Integers) -> NDArray[np.bool_]:
        """Which payments of `who` are frauds of an episode."""
        under_way = (self.starts[who] <= at_us) & (at_us < self.ends[who])
        hits: NDArray[np.bool_] = under_way & (rng.random(len(who)) < self.strength[who])
        return hits


class Fraudsters:
    """Turns some payments into frauds and adds others."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._terminals = _Episodes(world.terminals, TERMINALS_TAKEN, TERMINAL_DAYS)
        self._cards = _Episodes(world.customers, CARDS_STOLEN, STOLEN_DAYS)
        self._first = True

    def strike(self, rng: np.random.Generator, genuine: Payments, start_us: int, hours: int) -> Payments:
        """The payments of some hours with the frauds among them; hours come in order, each once."""
        for episodes in (self._terminals, self._cards):
            episodes.begin(rng, start_us, hours, self._first)
        self._first = False
        at, size = genuine.occurred_us, len(genuine.customer)
        amount, pattern = genuine.amount.copy(), genuine.pattern.copy()
        pattern[self._terminals.hit(rng, genuine.terminal, at)] = _TERMINAL
        stolen = self._cards.hit(rng, genuine.customer, at)
        pattern[stolen] = _STOLEN
        amount = np.where(stolen, amount * rng.uniform(2.5, 7.0, size), amount)
        large = rng.random(size) < LARGE_SHARE
        pattern[large] = _LARGE
        amount = np.where(large, _log_uniform(rng, 120.0, 1500.0, size), amount)
        changed = Payments(at, genuine.customer, genuine.terminal, amount, pattern)
        return Payments.joined(changed, self._tests(rng, size, start_us, hours))

    def _tests(self, rng: np.random.Generator, payments: int, start_us: int, hours: int) -> Payments:
        bursts = rng.poisson(payments * TESTS_A_PAYMENT)
        victim = rng.integers(0, self._world.customers, bursts)
        shop = rng.integers(0, self._world.terminals, bursts)
        start = start_us + rng.integers(0, hours * HOUR_US, bursts)
        length = rng.integers(2 * _MINUTE_US, 20 * _MINUTE_US, bursts)
        times = rng.integers(3, 13, bursts)
        burst = np.repeat(np.arange(bursts), times)
        size = len(burst)
        small = Payments(
            start[burst] + (rng.random(size) * length[burst]).astype(np.int64),
            victim[burst],
            shop[burst],
            rng.uniform(0.5, 9.0, size),
            np.full(size, _TESTING, dtype=np.int64),
        )
        buys = np.flatnonzero(rng.random(bursts) < 0.5)
        purchase = Payments(
            (start + length)[buys] + rng.integers(_MINUTE_US, 60 * _MINUTE_US, len(buys)),
            victim[buys],
            rng.integers(0, self._world.terminals, len(buys)),
            _log_uniform(rng, 60.0, 700.0, len(buys)),
            np.full(len(buys), _TESTING, dtype=np.int64),
        )
        return Payments.joined(small, purchase)


def _log_uniform(rng: np.random.Generator, low: float, high: float, size: int) -> NDArray[np.float64]:
    return np.exp(rng.uniform(np.log(low), np.log(high), size))
