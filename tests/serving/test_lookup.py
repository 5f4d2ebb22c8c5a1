"""Windows are read off the loop, in as few reads as possible, and survive a store that is down for a while."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from predictor_kit import UNIQUE_IDS, window

from feature_repo.online import CorruptWindowError, FeatureServiceMissingError, Window
from serving import lookup as lookup_module
from serving.errors import UnavailableError
from serving.lookup import Lookup, WindowLookup

BTC, ETH, SOL = UNIQUE_IDS
HOUR = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Store:
    """An online store in memory; holds reads back while `gate` is closed."""

    def __init__(self) -> None:
        self.windows: dict[str, Window] = {one: window(one, ds=HOUR) for one in UNIQUE_IDS}
        self.reads: list[list[str]] = []
        self.error: Exception | None = None
        self.corrupt = ""
        self.gate = threading.Event()
        self.gate.set()

    def read(self, unique_ids: Sequence[str]) -> list[Window | None]:
        self.reads.append(list(unique_ids))
        assert self.gate.wait(5)
        if self.error is not None:
            raise self.error
        if self.corrupt in unique_ids:
            raise CorruptWindowError(f"{self.corrupt} holds nonsense")
        return [self.windows.get(one) for one in unique_ids]


class Clock:
    """Seconds that grow when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lookup(store: Store, clock: Clock) -> WindowLookup:
    return WindowLookup(store, ThreadPoolExecutor(1), ttl_seconds=1, grace_seconds=60, clock=clock)


async def test_a_window_is_read_once_in_its_time_to_live(lookup: WindowLookup, store: Store, clock: Clock) -> None:
    for _ in range(5):
        assert [one and one.unique_id for one in await lookup.get([ETH, BTC])] == [ETH, BTC]
    assert store.reads == [[ETH, BTC]]
    clock.now += 1.1
    store.windows[BTC] = window(BTC, ds=HOUR, seed=1)
    (read_again,) = await lookup.get([BTC])
    assert read_again is store.windows[BTC]


async def test_a_window_that_did_not_change_stays_the_same_object(
    lookup: WindowLookup, store: Store, clock: Clock
) -> None:
    (first,) = await lookup.get([BTC])
    clock.now += 2
    store.windows[BTC] = window(BTC, ds=HOUR)
    (second,) = await lookup.get([BTC])
    assert second is first
    clock.now += 2
    corrected = window(BTC, ds=HOUR)
    changed = np.array(corrected.candles)
    changed[-1, 4] += 1
    store.windows[BTC] = Window(BTC, HOUR, corrected.window, changed, corrected.last_close)
    (third,) = await lookup.get([BTC])
    assert third is store.windows[BTC]


async def test_requests_that_come_during_a_read_share_the_next_one(lookup: WindowLookup, store: Store) -> None:
    store.gate.clear()
    asked = [asyncio.create_task(lookup.get([BTC]))]
    await asyncio.sleep(0.05)
    asked += [asyncio.create_task(lookup.get(ids)) for ids in ([BTC, ETH], [SOL], [ETH, SOL], [BTC])]
    await asyncio.sleep(0.05)
    store.gate.set()
    answers = await asyncio.gather(*asked)
    assert [[one and one.unique_id for one in answer] for answer in answers] == [
        [BTC],
        [BTC, ETH],
        [SOL],
        [ETH, SOL],
        [BTC],
    ]
    assert store.reads == [[BTC], [ETH, SOL]]


async def test_a_caller_that_leaves_does_not_spoil_the_read_for_others(lookup: WindowLookup, store: Store) -> None:
    store.gate.clear()
    leaving = asyncio.create_task(lookup.get([BTC]))
    staying = asyncio.create_task(lookup.get([BTC]))
    await asyncio.sleep(0.05)
    leaving.cancel()
    store.gate.set()
    (found,) = await staying
    assert found is store.windows[BTC]


async def test_a_series_without_a_window_is_none(lookup: WindowLookup) -> None:
    assert await lookup.get(["binance:usdm-perp:NEW-USDT"]) == [None]


async def test_while_the_store_is_down_kept_windows_serve_until_the_grace_is_over(
    lookup: WindowLookup, store: Store, clock: Clock
) -> None:
    (kept,) = await lookup.get([BTC])
    store.error = ConnectionError("secret-host refused")
    clock.now += 30
    assert await lookup.get([BTC]) == [kept]
    with pytest.raises(UnavailableError) as told:
        await lookup.get([ETH])
    assert "secret-host" not in told.value.message
    clock.now += 60
    with pytest.raises(UnavailableError):
        await lookup.get([BTC])
    store.error = None
    assert await lookup.get([BTC]) == [kept]


async def test_a_store_that_hangs_does_not_hold_up_callers_whose_window_is_kept(
    lookup: WindowLookup, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup_module, "PATIENCE_SECONDS", 0.05)
    (kept,) = await lookup.get([BTC])
    clock.now += 2
    store.gate.clear()
    async with asyncio.timeout(1):
        assert await lookup.get([BTC]) == [kept]
    store.gate.set()


async def test_a_corrupt_window_counts_as_missing_and_takes_no_other_with_it(
    lookup: WindowLookup, store: Store
) -> None:
    store.corrupt = ETH
    found = await lookup.get([BTC, ETH, SOL])
    assert [one and one.unique_id for one in found] == [BTC, None, SOL]


async def test_features_that_were_never_materialised_are_told_as_such(lookup: WindowLookup, store: Store) -> None:
    store.error = FeatureServiceMissingError("abc123")
    with pytest.raises(UnavailableError, match="crypto-refresh"):
        await lookup.get([BTC])


async def test_a_store_that_answers_too_few_windows_is_an_error_and_not_a_hang(
    lookup: WindowLookup, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "read", lambda unique_ids: [])
    async with asyncio.timeout(1):
        with pytest.raises(UnavailableError):
            await lookup.get([BTC])


class Numbers:
    """A store of numbers that counts its reads; `gate` holds reads up."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.down = False

    def read(self, keys: Sequence[str]) -> list[int | None]:
        self.reads.append(list(keys))
        number = len(self.reads)
        self.gate.wait(5)
        if self.down:
            raise ConnectionError("down")
        return [None if key == "none" else number for key in keys]


def numbers_lookup(store: Numbers, clock: Clock, **more: int) -> Lookup[str, int]:
    return Lookup(store.read, ThreadPoolExecutor(1), ttl_seconds=1, grace_seconds=0, clock=clock, **more)


async def test_a_fresh_value_is_kept_for_its_time_and_read_together_with_others(clock: Clock) -> None:
    store = Numbers()
    lookup = numbers_lookup(store, clock)
    assert await lookup.fresh(["a", "none", "a"]) == [1, None, 1]
    clock.now += 0.9
    assert await lookup.fresh(["a", "b"]) == [1, 2]
    clock.now += 0.2
    assert await lookup.fresh(["a", "b"]) == [3, 2]
    assert store.reads == [["a", "none"], ["b"], ["a"]]


async def test_a_read_that_began_too_long_ago_is_read_again_and_not_joined(clock: Clock) -> None:
    store = Numbers()
    lookup = numbers_lookup(store, clock)
    store.gate.clear()
    first = asyncio.create_task(lookup.fresh(["a"]))
    while not store.reads:
        await asyncio.sleep(0.01)
    clock.now += 5
    late = asyncio.create_task(lookup.fresh(["a"]))
    await asyncio.sleep(0.05)
    store.gate.set()
    assert (await first, await late) == ([1], [2])


async def test_a_value_that_must_be_fresh_is_never_an_old_one_while_the_store_is_down(clock: Clock) -> None:
    store = Numbers()
    lookup = Lookup(store.read, ThreadPoolExecutor(1), ttl_seconds=1, grace_seconds=300, clock=clock)
    await lookup.fresh(["a"])
    store.down = True
    clock.now += 2
    with pytest.raises(UnavailableError):
        await lookup.fresh(["a", "b"])
    store.down = False
    assert await lookup.fresh(["a"]) == [3]


async def test_only_so_many_values_are_kept_those_read_last(clock: Clock) -> None:
    store = Numbers()
    lookup = numbers_lookup(store, clock, most_kept=2)
    assert await lookup.fresh(["a", "b", "c"]) == [1, 1, 1]
    assert await lookup.fresh(["b", "c"]) == [1, 1]
    assert await lookup.fresh(["a"]) == [2]
    assert await lookup.fresh(["b"]) == [3], "a pushed it out"
