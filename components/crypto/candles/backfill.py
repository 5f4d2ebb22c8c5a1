"""Bringing the candle store up to date with a source, from the last stored candle on."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from components.crypto.candles.port import CandlePage, CandleSource
from components.crypto.candles.quality import Normaliser, PageFindings
from components.crypto.candles.settings import CandleSettings
from components.crypto.candles.store import CandleStore, CommitCounts
from components.crypto.series import Series, Timeframe
from runtime.moments import microseconds, moment


@dataclass(frozen=True)
class BackfillCounts:
    """What one backfill received and changed."""

    pages: int
    findings: PageFindings
    committed: CommitCounts


@dataclass(frozen=True)
class Span:
    """Open times `[since, until)` to ask a source for."""

    since: datetime
    until: datetime


def spans_to_fetch(
    stored: CandlePage, timeframe: Timeframe, *, since: datetime, until: datetime, overlap_bars: int, page_bars: int
) -> list[Span]:
    """What a store lacks of `[since, until)`, oldest first, with the last `overlap_bars` stored bars asked for again.

    Stored gaps are asked for again, since a source may fill them later; gaps nearer than a page share one span, so
    that the number of requests is bounded by that of a first backfill.

    Args:
        stored: Sorted candles.
        timeframe: Length of a bar.
        since: Open time of the oldest wanted bar.
        until: Bars that open from here on are not wanted.
        overlap_bars: Bars before the end of what is stored.
        page_bars: Bars that one request can bring.
    """
    step = timeframe.microseconds
    start, end = -(-microseconds(since) // step) * step, microseconds(until)
    held = stored.opened_us[(stored.opened_us >= start) & (stored.opened_us < end)]
    resume = max(start, int(held[-1]) - (overlap_bars - 1) * step) if len(held) else start
    edges = np.concatenate([[start - step], held[held < resume], [resume]])
    before_gap = np.flatnonzero(np.diff(edges) > step)
    missing = [(int(edges[i]) + step, int(edges[i + 1])) for i in before_gap]
    spans: list[tuple[int, int]] = []
    for first, last in [*missing, (resume, end)]:
        if spans and first - spans[-1][1] < page_bars * step:
            spans[-1] = (spans[-1][0], last)
        elif first < last:
            spans.append((first, last))
    return [Span(moment(first), moment(last)) for first, last in spans]


async def backfill(
    source: CandleSource,
    store: CandleStore,
    series: Series,
    timeframe: Timeframe,
    *,
    clock: datetime,
    settings: CandleSettings,
) -> BackfillCounts:
    """Fetch what the store lacks and commit it page by page; may be killed and repeated at any time.

    Raises:
        CandleError: See `CandleSource.fetch`; pages committed before it stay.
    """
    normaliser = Normaliser(timeframe, clock)
    pages = added = revised = 0
    for span in spans_to_fetch(
        store.read(series, timeframe),
        timeframe,
        since=settings.since,
        until=clock,
        overlap_bars=settings.overlap_bars,
        page_bars=settings.page_bars,
    ):
        async for page in source.fetch(series, timeframe, span.since, span.until):
            counts = store.commit(series, timeframe, normaliser.accept(page))
            pages, added, revised = pages + 1, added + counts.added, revised + counts.revised
    return BackfillCounts(pages, normaliser.findings, CommitCounts(added, revised))
