"""The validation as one HTML file that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.crypto.series import Timeframe
from components.crypto.validation.outcome import ValidationOutcome
from components.pages.render import write_page as write_html
from runtime.moments import moment

if TYPE_CHECKING:
    import pyarrow as pa

STRIPE_BINS = 240


@dataclass(frozen=True)
class Stripe:
    """Missing bars of one series over the whole table's time.

    Attributes:
        unique_id: The series.
        start: Where the series begins, 0 to 1 of the whole time.
        end: Where it ends.
        marks: `(place, width, share missing, tooltip)` of each bin that lacks bars; place and width 0 to 1.
    """

    unique_id: str
    start: float
    end: float
    marks: Sequence[tuple[float, float, float, str]]


def write_page(
    outcome: ValidationOutcome, table: "pa.Table", path: Path, *, timeframe: Timeframe, source_clock: datetime
) -> None:
    """Render the outcome; a reader sees the whole file or none."""
    write_html(
        path,
        Path(__file__).with_name("page.html.j2"),
        what="Candles",
        outcome=outcome,
        timeframe=timeframe.name,
        source_clock=source_clock,
        stripes=_stripes(outcome, table, timeframe),
    )


def _stripes(outcome: ValidationOutcome, table: "pa.Table", timeframe: Timeframe) -> list[Stripe]:
    if not outcome.statistics.series:
        return []

    from components.crypto.validation.frames import opened_by_series

    step = timeframe.microseconds
    bars = {name: np.unique(opened[opened % step == 0]) for name, opened in opened_by_series(table)}
    bars = {name: opened for name, opened in bars.items() if len(opened)}
    if not bars:
        return []
    first = min(int(opened[0]) for opened in bars.values())
    total = (max(int(opened[-1]) for opened in bars.values()) - first) // step + 1
    return [_stripe(name, (opened - first) // step, total, first, step) for name, opened in bars.items()]


def _stripe(name: str, held: "np.ndarray[tuple[int], np.dtype[np.int64]]", total: int, first: int, step: int) -> Stripe:
    edges = np.unique(np.linspace(0, total, STRIPE_BINS + 1).astype(np.int64))
    begin, end = int(held[0]), int(held[-1]) + 1
    inside = np.clip(edges, begin, end)
    expected = np.diff(inside)
    missing = expected - np.histogram(held, bins=edges)[0]
    marks = [
        (
            int(edges[i]) / total,
            int(edges[i + 1] - edges[i]) / total,
            int(missing[i]) / int(expected[i]),
            f"{missing[i]} of {expected[i]} bars missing from {moment(first + int(edges[i]) * step):%Y-%m-%d %H:%M}",
        )
        for i in np.flatnonzero(missing > 0)
    ]
    return Stripe(name, begin / total, end / total, marks)
