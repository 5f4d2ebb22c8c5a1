"""What is special about CoinGecko: windows, close stamps, volume, plans, pace."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from components.crypto.candles.coingecko import CoinGeckoSource
from components.crypto.candles.port import CandlePage, SourceRefusedError, SourceUnavailableError, UnknownSymbolError
from components.crypto.candles.settings import CandleSettings
from components.crypto.series import Series, Timeframe
from tests.components.crypto.candles.conftest import Serve
from tests.components.crypto.candles.wire import HOUR, START, CoinGeckoServer, Fault, history

BITCOIN = Series("BTC", quote="USD", exchange="coingecko", market="spot")
HOURLY = Timeframe("1h")
DAYS = 40


@pytest.fixture
def server(serve: Serve) -> CoinGeckoServer:
    wire = CoinGeckoServer({"bitcoin": history(DAYS * 24)}, START + DAYS * 24 * HOUR)
    serve(wire)
    return wire


@pytest.fixture
def settings(server: CoinGeckoServer, make_settings: Callable[..., CandleSettings]) -> CandleSettings:
    return make_settings(source="coingecko", coingecko_url=server.url, max_retries=2)


async def fetch(settings: CandleSettings, series: Series = BITCOIN, days: int = 2) -> CandlePage:
    source = CoinGeckoSource(settings)
    try:
        until = START + timedelta(days=days)
        return CandlePage.concat([page async for page in source.fetch(series, HOURLY, START, until)])
    finally:
        await source.aclose()


async def test_a_long_range_is_asked_for_31_days_at_a_time(server: CoinGeckoServer, settings: CandleSettings) -> None:
    page = await fetch(settings, days=DAYS)

    assert len(page) == DAYS * 24
    assert [(q["from"], q["to"]) for q in server.queries_of("ohlc")] == [
        ("2024-03-30T01:00", "2024-04-30T00:00"),
        ("2024-04-30T01:00", "2024-05-09T00:00"),
    ]
    assert {query["interval"] for query in server.queries_of("range")} == {"hourly"}


async def test_a_bar_without_turnover_has_no_volume(server: CoinGeckoServer, settings: CandleSettings) -> None:
    server.faults["market_chart"] = [Fault(200, b'{"prices": [], "market_caps": [], "total_volumes": []}')]

    page = await fetch(settings)

    assert np.isnan(page.values[:, 4]).all()
    assert not np.isnan(page.values[:, :4]).any()


@pytest.mark.parametrize("path", ["ohlc", "market_chart"])
@pytest.mark.parametrize(
    "fault",
    [Fault(429), Fault(500), Fault(200), Fault(200, b"[[1,"), Fault(200, b"[null]"), Fault(200, b'[["x",1,1,1,1]]')],
    ids=["429", "500", "html", "truncated", "nulls", "words"],
)
async def test_a_passing_fault_is_retried_and_loses_nothing(
    server: CoinGeckoServer, settings: CandleSettings, path: str, fault: Fault
) -> None:
    server.faults[path] = [fault, fault]

    page = await fetch(settings)

    assert len(page) == 48
    assert not np.isnan(page.values).any()
    assert len(server.times_of(path)) == 3


async def test_a_fault_that_stays_ends_after_the_allowed_attempts(
    server: CoinGeckoServer, settings: CandleSettings
) -> None:
    server.faults["ohlc"] = [Fault(500)] * 9

    with pytest.raises(SourceUnavailableError, match=r"coingecko .* 3 attempts"):
        await fetch(settings)
    assert len(server.times_of("ohlc")) == 3


async def test_a_plan_without_hourly_ranges_is_said_to_need_a_key(
    server: CoinGeckoServer, settings: CandleSettings
) -> None:
    server.faults["ohlc"] = [Fault(401, b'{"status": {"error_code": 10005}}')]

    with pytest.raises(SourceRefusedError, match=r"401.*CANDLES_COINGECKO_PRO_API_KEY"):
        await fetch(settings)
    assert len(server.times_of("ohlc")) == 1


async def test_requests_keep_the_pace_of_the_plan(server: CoinGeckoServer, settings: CandleSettings) -> None:
    await fetch(settings.model_copy(update={"coingecko_requests_per_minute": 300}), days=DAYS)

    times = server.times_of("range")
    assert len(times) == 4
    assert min(b - a for a, b in pairwise(times)) > 0.15


async def test_the_sdks_own_address_variable_is_honoured(
    server: CoinGeckoServer, settings: CandleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINGECKO_BASE_URL", server.url)

    page = await fetch(settings.model_copy(update={"coingecko_url": ""}))

    assert len(page) == 48


async def test_a_further_coin_is_named_by_a_setting(server: CoinGeckoServer, settings: CandleSettings) -> None:
    server.candles["pepe"] = history(48)
    pepe = Series("PEPE", quote="USD", exchange="coingecko", market="spot")

    with pytest.raises(UnknownSymbolError, match="CANDLES_COINGECKO_IDS"):
        await fetch(settings, pepe)
    assert len(await fetch(settings.model_copy(update={"coingecko_ids": {"PEPE": "pepe"}}), pepe)) == 48
