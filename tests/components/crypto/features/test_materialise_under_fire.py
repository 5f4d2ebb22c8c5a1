"""Several writers at once, a reader that never stops, and writers that are killed."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from components.crypto.materialise import materialise_windows
from feature_repo.crypto import feature_digest
from feature_repo.online import FeastWindowReader, WindowStoreUnavailableError
from feature_repo.store import open_store
from feature_repo.writer_lock import WriterBusyError, writing

BTC, ETH = "binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"
MakeTables = Callable[..., object]
FORK = multiprocessing.get_context("fork")
"""A forked child has Feast imported already; it opens stores of its own."""


def materialise_all(tables: list[object], rounds: int) -> None:
    for _ in range(rounds):
        for one in tables:
            materialise_windows(one.candles, one.features)


@contextmanager
def child(target: Callable[..., None], *arguments: object) -> Iterator[BaseProcess]:
    process = FORK.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(timeout=10)


class Watcher:
    """Reads both series again and again, and holds every answer against what was materialised."""

    def __init__(self, versions: list[object]) -> None:
        self.reader = FeastWindowReader(feature_digest())
        self.expected = {}
        for tables in versions:
            for unique_id in (BTC, ETH):
                features, candles = tables.window(unique_id)
                self.expected[(unique_id, candles[-1, 0])] = (features, candles)
        self.latest = dict.fromkeys((BTC, ETH), 0.0)
        self.seen: set[float] = set()

    def look(self) -> None:
        for window in self.reader.read([BTC, ETH]):
            assert window is not None
            moment = window.ds.timestamp()
            features, candles = self.expected[(window.unique_id, moment)]
            np.testing.assert_array_equal(window.window, features)
            np.testing.assert_array_equal(window.candles, candles)
            assert moment >= self.latest[window.unique_id], "a window went backwards"
            self.latest[window.unique_id] = moment
            self.seen.add(moment)


def test_two_writers_and_a_reader_never_see_a_mix_or_an_older_window(
    online_store: str, make_tables: MakeTables
) -> None:
    versions = [make_tables(bars=bars) for bars in range(917, 921)]
    materialise_windows(versions[0].candles, versions[0].features)
    watcher = Watcher(versions)
    with child(materialise_all, versions, 1) as up, child(materialise_all, versions[::-1][1:], 1) as down:
        while up.is_alive() or down.is_alive():
            watcher.look()
        assert (up.exitcode, down.exitcode) == (0, 0)
    watcher.look()
    assert watcher.latest[BTC] == versions[-1].window(BTC)[1][-1, 0]
    assert len(watcher.seen) > 1


def test_a_writer_that_is_killed_leaves_whole_windows_and_no_lock(online_store: str, make_tables: MakeTables) -> None:
    versions = [make_tables(bars=bars) for bars in range(915, 921)]
    materialise_windows(versions[0].candles, versions[0].features)
    watcher = Watcher(versions)
    random = np.random.default_rng(0)
    for _ in range(5):
        with child(materialise_all, versions, 10) as writer:
            time.sleep(float(random.uniform(0.05, 0.8)))
            os.kill(writer.pid, signal.SIGKILL)
            writer.join(timeout=10)
            assert writer.exitcode == -signal.SIGKILL
        watcher.look()
    materialise_windows(versions[-1].candles, versions[-1].features)
    watcher.look()
    assert watcher.latest == {unique_id: versions[-1].window(unique_id)[1][-1, 0] for unique_id in (BTC, ETH)}


def test_a_writer_waits_for_another_and_says_whom_it_waited_for(state: Path) -> None:
    store = open_store()

    def hold() -> None:
        with writing(open_store(), "a long materialisation"):
            time.sleep(30)

    with child(hold) as holder:
        deadline = time.monotonic() + 10
        while not (state / "feast" / "writer.lock").exists() or not (state / "feast" / "writer.lock").stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(WriterBusyError, match="a long materialisation"), writing(store, "me", 0.2):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.join(timeout=10)
    with writing(store, "me", 5):
        pass


def test_writers_of_several_machines_wait_for_one_another_on_postgresql(
    state: Path, postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from feature_repo.store import profile_file

    content = yaml.safe_load(profile_file("local").read_text())
    content["registry"]["path"] = postgres_database.replace("postgresql://", "postgresql+psycopg://")
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "profile.yaml"))
    store = open_store()
    with (
        writing(store, "first"),
        pytest.raises(WriterBusyError, match=r"0\.2 s"),
        writing(store, "second", timeout_seconds=0.2),
    ):
        pass
    with writing(store, "third", timeout_seconds=0.2):
        pass


def test_a_store_that_is_gone_or_broken_is_unavailable_and_recovers(
    state: Path,
    make_tables: MakeTables,
    require_system_package: Callable[[str], Path],
    free_port: Callable[[], int],
    wait_until: Callable[..., None],
    redis_tools: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    redis_tools.write_profile(tmp_path / "profile.yaml", port)
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "profile.yaml"))
    binary = require_system_package("redis-server")
    tables = make_tables()
    with redis_tools.running(binary, port):
        wait_until(lambda: redis_tools.answers(port), 20, "Redis")
        materialise_windows(tables.candles, tables.features)
        reader = FeastWindowReader(feature_digest())
        assert reader.read([BTC])[0] is not None
    asked = time.monotonic()
    with pytest.raises(WindowStoreUnavailableError):
        reader.read([BTC])
    assert time.monotonic() - asked < 2.5
    with redis_tools.running(binary, port):
        wait_until(lambda: redis_tools.answers(port), 20, "Redis")
        assert reader.read([BTC]) == [None]
        materialise_windows(tables.candles, tables.features)
        assert reader.read([BTC])[0] is not None


def test_a_damaged_local_store_is_unavailable(state: Path, make_tables: MakeTables) -> None:
    tables = make_tables()
    materialise_windows(tables.candles, tables.features)
    (state / "feast" / "online.db").write_bytes(b"no database" * 1000)
    reader = FeastWindowReader(feature_digest())
    with pytest.raises(WindowStoreUnavailableError) as caught:
        reader.read([BTC])
    assert isinstance(caught.value.__cause__, sqlite3.Error)
