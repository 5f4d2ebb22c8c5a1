"""From a candle source to one Parquet of candles, by way of the candle store."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from components.crypto.candles.backfill import backfill
from components.crypto.candles.port import CandlePage, resolve
from components.crypto.candles.report import IngestReport, SeriesReport, series_report
from components.crypto.candles.settings import CandleSettings, SourceName
from components.crypto.candles.sources import open_source
from components.crypto.candles.store import CandleStore
from components.crypto.candles.table import data_digest, write_parquet
from components.crypto.series import Timeframe
from runtime.logs import get_logger
from runtime.object_store import ObjectStore, open_object_store


def ingest_candles(
    output: Path,
    *,
    symbols: Sequence[str],
    timeframe: str = "1h",
    source: str | None = None,
    settings: CandleSettings | None = None,
    objects: ObjectStore | None = None,
) -> IngestReport:
    """Bring the candle store up to date and write the candles of the requested series to one Parquet file.

    Args:
        output: The file; table `candles`, sorted by `unique_id, ds`, closed bars from `CANDLES_SINCE` to the source's
            clock.
        symbols: Base currencies, such as `BTC`.
        timeframe: Length of a bar.
        source: `recorded`, `exchange` or `coingecko`; by default `CANDLES_SOURCE`.
        settings: By default those of the environment.
        objects: Where candles are kept; by default the object store of the runtime settings.

    Raises:
        UnknownSymbolError: The source does not know a symbol; names the nearest. Nothing was fetched.
        ValueError: No symbol, or a timeframe or source that is not served; names those that are.
        CandleError: The source refused, or gave no usable answer in the allowed attempts. What was committed before
            stays, and the next call resumes from there.
    """
    chosen = _choose_source(settings or CandleSettings(), source)
    store = objects if objects is not None else open_object_store()
    return asyncio.run(_ingest(output, symbols, Timeframe(timeframe), chosen, store))


async def _ingest(
    output: Path, symbols: Sequence[str], timeframe: Timeframe, settings: CandleSettings, objects: ObjectStore
) -> IngestReport:
    log = get_logger(__name__)
    pages: dict[str, CandlePage] = {}
    reports: dict[str, SeriesReport] = {}
    async with open_source(settings) as source:
        clock = await source.now()
        store = CandleStore(objects, source.origin)
        for series in sorted(await resolve(source, symbols), key=lambda wanted: wanted.unique_id):
            counts = await backfill(source, store, series, timeframe, clock=clock, settings=settings)
            page = store.read(series, timeframe).between(settings.since, clock)
            pages[series.unique_id] = page
            reports[series.unique_id] = series_report(page, timeframe, counts)
            log.info("candles ingested", series=series.unique_id, rows=len(page), added=counts.committed.added)
        write_parquet(pages, output)
        return IngestReport(
            source=source.name,
            exchange=source.exchange,
            market=source.market,
            quote=source.quote,
            timeframe=timeframe.name,
            source_clock=clock,
            rows=sum(len(page) for page in pages.values()),
            data_digest=data_digest(pages),
            series=reports,
        )


def _choose_source(settings: CandleSettings, source: str | None) -> CandleSettings:
    for name in get_args(SourceName):
        if name == source:
            return settings.model_copy(update={"source": name})
    if source is None:
        return settings
    raise ValueError(f"{source!r} is no candle source; choose one of {', '.join(get_args(SourceName))}")
