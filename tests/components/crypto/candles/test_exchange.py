"""Bad days of an exchange, and the manners it is asked with."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from components.crypto.candles.exchange import ExchangeSource
from components.crypto.candles.port import (
    CandlePage,
    SourceRefusedError,
    SourceUnavailableError,
    UnsupportedRequestError,
)
from components.crypto.candles.settings import CandleSettings
from components.crypto.candles.sources import open_source
from components.crypto.series import Series, Timeframe
from runtime.moments import microseconds
from tests.components.crypto.candles.wire import HOUR, START, BinanceServer, Fault, history

BARS = 40
HOURLY = Timeframe("1h")

TRANSIENT = {
    "too many requests": Fault(429, b'{"code":-1003,"msg":"Too many requests"}'),
    "banned for a while": Fault(418, b'{"code":-1003,"msg":"banned"}'),
    "internal error": Fault(500, b"oops"),
    "bad gateway": Fault(502, b"<html>bad gateway</html>"),
    "unavailable": Fault(503, b""),
    "maintenance page": Fault(200, b"<html>maintenance</html>"),
    "truncated JSON": Fault(200, b"[[1711756800000,"),
    "empty body": Fault(200, b""),
    "an object instead of rows": Fault(200, b'{"a": 1}'),
    "rows of words": Fault(200, b'[["x","y","z","a","b","c"]]'),
    "rows too short": Fault(200, b"[[1711756800000]]"),
    "nulls": Fault(200, b"[null]"),
}


async def fetch(settings: CandleSettings, symbol: str = "BTC") -> CandlePage:
    async with open_source(settings) as source:
        pages = [page async for page in source.fetch(Series(symbol), HOURLY, START, START + BARS * HOUR)]
    return CandlePage.concat(pages)


@pytest.fixture
def settings(server: BinanceServer, make_settings: Callable[..., CandleSettings]) -> CandleSettings:
    return make_settings(source="exchange", exchange_url=server.url, page_bars=15, max_retries=3)


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
async def test_a_passing_fault_is_retried_and_loses_nothing(
    server: BinanceServer, settings: CandleSettings, fault: Fault
) -> None:
    server.faults["klines"] = [fault, fault]

    page = await fetch(settings)

    assert page.opened_us.tolist() == [microseconds(START + index * HOUR) for index in range(BARS)]
    assert len(server.times_of("klines")) == 2 + math.ceil(BARS / 15)


async def test_a_fault_that_stays_ends_after_the_allowed_attempts_and_says_what_it_was(
    server: BinanceServer, settings: CandleSettings
) -> None:
    server.faults["klines"] = [Fault(503, b"down")] * 10

    with pytest.raises(SourceUnavailableError, match=r"binanceusdm .* 4 attempts; .*503"):
        await fetch(settings)
    assert len(server.times_of("klines")) == 4


async def test_an_answer_that_never_comes_is_given_up_at_the_timeout(
    server: BinanceServer, settings: CandleSettings
) -> None:
    server.faults["klines"] = [Fault(hang_seconds=1.5)]

    page = await fetch(settings.model_copy(update={"timeout_seconds": 0.4}))

    assert len(page) == BARS
    first, second = server.times_of("klines")[:2]
    assert 0.35 < second - first < 1.4


async def test_waits_grow_from_attempt_to_attempt(server: BinanceServer, settings: CandleSettings) -> None:
    server.faults["klines"] = [Fault(500)] * 3

    await fetch(settings.model_copy(update={"retry_initial_seconds": 0.1}))

    waits = [b - a for a, b in pairwise(server.times_of("klines")[:4])]
    assert waits[0] >= 0.1
    assert waits[1] >= 0.2
    assert waits[2] >= 0.4


async def test_the_wait_that_the_exchange_asks_for_is_kept(server: BinanceServer, settings: CandleSettings) -> None:
    server.faults["klines"] = [Fault(429, b"{}", {"Retry-After": "1"})]

    await fetch(settings)

    first, second = server.times_of("klines")[:2]
    assert second - first >= 1.0


async def test_an_exchange_that_asks_for_too_long_a_wait_is_given_up_at_once(
    server: BinanceServer, settings: CandleSettings
) -> None:
    server.faults["klines"] = [Fault(429, b"{}", {"Retry-After": "3600"})]

    with pytest.raises(SourceUnavailableError, match="1 attempts"):
        await fetch(settings)
    assert len(server.times_of("klines")) == 1


async def test_a_refusal_is_not_retried(server: BinanceServer, settings: CandleSettings) -> None:
    server.faults["klines"] = [Fault(400, b'{"code":-1121,"msg":"Invalid symbol."}')]

    with pytest.raises(SourceRefusedError, match="Invalid symbol"):
        await fetch(settings)
    assert len(server.times_of("klines")) == 1


async def test_requests_keep_the_rate_limit(server: BinanceServer, settings: CandleSettings) -> None:
    await fetch(settings.model_copy(update={"page_bars": 5, "exchange_rate_limit_ms": 120}))

    times = server.times_of("klines")
    assert len(times) == 8
    assert min(b - a for a, b in pairwise(times)) > 0.08
    assert times[-1] - times[0] > 7 * 0.11


async def test_each_page_starts_after_the_last_bar_of_the_one_before(
    server: BinanceServer, settings: CandleSettings
) -> None:
    await fetch(settings)

    starts = [int(query["startTime"]) * 1000 for query in server.queries_of("klines")]
    assert starts == [microseconds(START + index * HOUR) for index in (0, 15, 30)]


async def test_a_hole_longer_than_a_page_does_not_end_the_fetch(
    server: BinanceServer, settings: CandleSettings
) -> None:
    server.candles["BTC"] = {
        opened: values for opened, values in history(BARS).items() if not START + 3 * HOUR <= opened < START + 33 * HOUR
    }

    page = await fetch(settings.model_copy(update={"page_bars": 3}))

    assert len(page) == BARS - 30


async def test_a_missing_number_arrives_as_missing(server: BinanceServer, settings: CandleSettings) -> None:
    server.candles["BTC"][START + 2 * HOUR] = (1.0, 2.0, 0.5, 1.5, math.nan)

    page = await fetch(settings)

    assert np.isnan(page.values[2, 4])
    assert not np.isnan(page.values[2, :4]).any()


async def test_the_client_is_closed_when_the_fetch_fails(
    server: BinanceServer, settings: CandleSettings, make_settings: Callable[..., CandleSettings]
) -> None:
    server.faults["klines"] = [Fault(400, b'{"code":-1121,"msg":"Invalid symbol."}')]
    seen: list[ExchangeSource] = []

    async def fail() -> None:
        async with open_source(settings) as source:
            assert isinstance(source, ExchangeSource)
            seen.append(source)
            [page async for page in source.fetch(Series("BTC"), HOURLY, START, START + HOUR)]

    with pytest.raises(SourceRefusedError):
        await fail()
    assert seen[0]._client.session is None


async def test_only_the_markets_of_the_wanted_type_are_loaded(server: BinanceServer, settings: CandleSettings) -> None:
    async with open_source(settings.model_copy(update={"exchange_id": "binance"})) as source:
        await source.symbols()

    assert {path for _, path, _ in server.requests} == {"/fapi/v1/exchangeInfo"}


async def test_the_exchange_and_a_mirror_of_it_keep_their_candles_apart(
    make_settings: Callable[..., CandleSettings],
) -> None:
    async with (
        open_source(make_settings(source="exchange")) as direct,
        open_source(make_settings(source="exchange", exchange_url="http://127.0.0.1:9/")) as mirror,
    ):
        assert direct.exchange == mirror.exchange == "binance"
        assert direct.origin == "binanceusdm" != mirror.origin


async def test_an_unknown_exchange_is_refused_with_the_nearest(make_settings: Callable[..., CandleSettings]) -> None:
    with pytest.raises(UnsupportedRequestError, match=r"'binanceusd'.*binanceusdm"):
        ExchangeSource(make_settings(exchange_id="binanceusd"))


async def test_an_exchange_without_candles_is_refused(make_settings: Callable[..., CandleSettings]) -> None:
    import ccxt

    without = next(name for name in ccxt.exchanges if not getattr(ccxt, name)().has.get("fetchOHLCV"))

    with pytest.raises(UnsupportedRequestError, match="no candles"):
        ExchangeSource(make_settings(exchange_id=without))
