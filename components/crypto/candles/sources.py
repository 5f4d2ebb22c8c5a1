"""From settings to a candle source."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from components.crypto.candles.port import CandleSource
from components.crypto.candles.settings import CandleSettings


@asynccontextmanager
async def open_source(settings: CandleSettings) -> AsyncIterator[CandleSource]:
    """Open the source that the settings name and close it afterwards, whatever happened.

    Raises:
        CandleError: The source cannot be opened as it is set; says which setting.
    """
    source = _make(settings)
    try:
        yield source
    finally:
        await source.aclose()


def _make(settings: CandleSettings) -> CandleSource:
    if settings.source == "exchange":
        from components.crypto.candles.exchange import ExchangeSource

        return ExchangeSource(settings)
    if settings.source == "coingecko":
        from components.crypto.candles.coingecko import CoinGeckoSource

        return CoinGeckoSource(settings)
    from components.crypto.candles.recorded import RecordedSource

    return RecordedSource(settings.recorded_path, page_bars=settings.recorded_page_bars)
