"""Card transactions of a made-up town, seeded: a table of any length in flat memory, ending at a given instant.

Customers pay near home, by habits of hour and amount; four kinds of fraud hide among them, and some honest payments
look like each of them. The world takes about 300 bytes a customer; beyond that, memory holds some hours of payments.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.fraud.cards.fraudsters import PATTERNS, Fraudsters
from components.fraud.cards.table import TIMESTAMP, TRANSACTION_SCHEMA
from components.fraud.cards.totals import Integers
from components.fraud.cards.world import PAYMENTS_A_DAY, Payments, World
from feature_repo.fraud import HOUR_US, LABEL_DELAY_US
from runtime.moments import microseconds

DEFAULT_ROWS = 300_000
DEFAULT_DAYS = 150

_STEP_ROWS = 100_000
"""Rows that are drawn at a time, at least an hour of them."""

_REPEATING = ["customer_id", "terminal_id", "currency", "pattern"]
_DAY_HOURS = 24
_FEWEST_CUSTOMERS = 20
_LARGEST_MINOR = 500_000


class SimulationError(ValueError):
    """A simulation cannot be made as asked."""


@dataclass(frozen=True)
class SimulationReport:
    """What was made; `frauds` counts all there are, known or not."""

    rows: int
    frauds: int
    customers: int
    terminals: int
    start: datetime
    end: datetime


def simulate(
    output: Path,
    *,
    end: datetime,
    rows: int = DEFAULT_ROWS,
    days: int = DEFAULT_DAYS,
    seed: int = 0,
) -> SimulationReport:
    """Write a table of transactions as a system would know it at `end`.

    Labels are known `LABEL_DELAY_SECONDS` after each transaction; those of the last days are null, as nobody knows them
    yet. `pattern` says the truth about every row: it is for reports and never a feature.

    Args:
        output: Where the `transactions` table goes; replaced if it exists.
        end: The newest moment, with its time zone.
        rows: About how many; the number is drawn, as the number of customers is in proportion.
        days: Length of the history.
        seed: Same arguments and seed, same bytes.

    Raises:
        SimulationError: There are too few rows for the days, or `end` has no time zone.
    """
    customers = round(rows / (days * PAYMENTS_A_DAY)) if days > 0 else 0
    if customers < _FEWEST_CUSTOMERS:
        least = round(_FEWEST_CUSTOMERS * max(days, 1) * PAYMENTS_A_DAY)
        raise SimulationError(f"{rows} rows over {days} days are too few for a town; take at least {least} rows")
    if end.tzinfo is None:
        raise SimulationError(f"`end` must carry its time zone, received {end.isoformat()}")
    rng = np.random.default_rng(seed)
    world = World(customers, rng)
    end_us, made, frauds = microseconds(end), 0, 0
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    with pq.ParquetWriter(partial, TRANSACTION_SCHEMA, compression="zstd", use_dictionary=_REPEATING) as writer:
        for payments in _by_size(_payments(world, rng, end_us, days)):
            writer.write_table(_table(payments, made, end_us))
            made, frauds = made + len(payments.customer), frauds + int((payments.pattern > 0).sum())
    partial.replace(output)
    start = (end - timedelta(days=days)).astimezone(UTC)
    return SimulationReport(made, frauds, world.customers, world.terminals, start, end.astimezone(UTC))


def _payments(world: World, rng: np.random.Generator, end_us: int, days: int) -> Iterator[Payments]:
    """Payments up to and including `end_us`, sorted by time, some hours at a time."""
    fraudsters = Fraudsters(world)
    an_hour = world.customers * PAYMENTS_A_DAY / _DAY_HOURS
    step = int(np.clip(_STEP_ROWS / an_hour, 1, _DAY_HOURS))
    hours = days * _DAY_HOURS
    first_us = end_us - hours * HOUR_US
    later: Payments | None = None
    for hour in range(0, hours, step):
        start_us, length = first_us + hour * HOUR_US, min(step, hours - hour)
        now = fraudsters.strike(rng, world.payments(rng, start_us, length), start_us, length)
        now = Payments.joined(later, now) if later is not None else now
        # A burst may run past the hours it began in: what comes later waits for its turn.
        in_time = now.occurred_us < start_us + length * HOUR_US
        later, now = now.take(~in_time), now.take(in_time)
        yield now.take(np.argsort(now.occurred_us, kind="stable"))


def _by_size(parts: Iterator[Payments]) -> Iterator[Payments]:
    """The same rows in parts of at least `_STEP_ROWS`, but for the last."""
    held: list[Payments] = []
    for part in parts:
        held.append(part)
        if sum(len(one.customer) for one in held) >= _STEP_ROWS:
            yield Payments.joined(*held)
            held = []
    if held:
        yield Payments.joined(*held)


def _table(payments: Payments, first: int, end_us: int) -> pa.Table:
    size = len(payments.customer)
    known = payments.occurred_us + LABEL_DELAY_US
    unknown = known > end_us
    amount = np.clip(np.rint(payments.amount * 100), 1, _LARGEST_MINOR).astype(np.int64)
    columns = [
        _named("P", np.arange(first, first + size), 11),
        pa.array(payments.occurred_us).cast(TIMESTAMP),
        _named("C", payments.customer, 7),
        _named("T", payments.terminal, 7),
        pa.array(amount),
        pa.array(["EUR"]).take(pa.array(np.zeros(size, dtype=np.int64))),
        pa.array((payments.pattern > 0).astype(np.int8), mask=unknown),
        pa.array(known, mask=unknown).cast(TIMESTAMP),
        pa.array(PATTERNS).take(pa.array(payments.pattern)),
    ]
    return pa.table(columns, schema=TRANSACTION_SCHEMA)


def _named(letter: str, numbers: Integers, digits: int) -> pa.Array:
    """Ids whose order as text is that of the numbers."""
    return pc.binary_join_element_wise(letter, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0"), "")
