import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import redis
import yaml

from components.crypto.features import build_features
from feature_repo.crypto import FEATURE_NAMES, WINDOW_BARS
from feature_repo.store import profile_file
from runtime.settings import runtime_settings

MakeCandles = Callable[..., pd.DataFrame]


def random_walk(symbol: str, bars: int, *, seed: int, price: float, start: str = "2024-01-01") -> pd.DataFrame:
    """Candles of one series whose high and low enclose its open and close."""
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.standard_t(4, bars) * 0.005))
    opened = np.concatenate([[price], close[:-1]])
    spread = np.abs(rng.normal(0, 0.002, (2, bars)))
    return pd.DataFrame(
        {
            "unique_id": f"binance:usdm-perp:{symbol}-USDT",
            "ds": pd.date_range(start, periods=bars, freq="h", tz="UTC").as_unit("us"),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + spread[0]),
            "low": np.minimum(opened, close) * (1 - spread[1]),
            "close": close,
            "volume": np.exp(rng.normal(8, 1, bars)),
        }
    )


@pytest.fixture
def make_candles() -> MakeCandles:
    """Factory of one series of random-walk candles."""
    return random_walk


@pytest.fixture(scope="session")
def candles() -> pd.DataFrame:
    """Three coins of very different prices; the second is listed later."""
    return pd.concat(
        [
            random_walk("BTC", 1500, seed=1, price=40_000.0),
            random_walk("DOGE", 1400, seed=2, price=0.08, start="2024-01-05"),
            random_walk("SHIB", 1500, seed=3, price=9.1e-6),
        ],
        ignore_index=True,
    )


@dataclass(frozen=True)
class Tables:
    """Files of two coins that end `bars` hours after their start, and the rows that were computed."""

    candles: Path
    features: Path
    rows: pd.DataFrame

    def window(self, unique_id: str) -> tuple[np.ndarray, np.ndarray]:
        """What the online store should hold of one series: features [L, F] and candles [L, 6]."""
        tail = self.rows[self.rows["unique_id"] == unique_id].tail(WINDOW_BARS)
        bars = pd.read_parquet(self.candles)
        bars = bars[bars["unique_id"] == unique_id].tail(WINDOW_BARS)
        seconds = bars["ds"].astype("int64").to_numpy() / 1e6
        prices = bars[["open", "high", "low", "close", "volume"]].to_numpy()
        return tail[list(FEATURE_NAMES)].to_numpy(), np.column_stack([seconds, prices])


MakeTables = Callable[..., Tables]


@pytest.fixture(scope="session")
def make_tables(tmp_path_factory: pytest.TempPathFactory) -> MakeTables:
    """Factory of candle and feature files; `bars` is the length of history, `seed` its content."""

    @lru_cache
    def make(bars: int = 920, seed: int = 31, start: str = "2024-01-01") -> Tables:
        folder = tmp_path_factory.mktemp("tables")
        coins = [
            random_walk(name, 1000, seed=seed + i, price=price, start=start).head(bars)
            for i, (name, price) in enumerate({"BTC": 40_000.0, "ETH": 2_000.0}.items())
        ]
        pd.concat(coins).to_parquet(folder / "candles.parquet", index=False)
        build_features(folder / "candles.parquet", folder / "features.parquet")
        rows = pd.read_parquet(folder / "features.parquet")
        return Tables(folder / "candles.parquet", folder / "features.parquet", rows)

    return make


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder with the local profile's feature store in it."""
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("FEAST_FS_YAML_FILE_PATH", raising=False)
    monkeypatch.delenv("AIO_FEAST_PROFILE", raising=False)
    runtime_settings.cache_clear()
    yield tmp_path / "state"
    runtime_settings.cache_clear()


@contextlib.contextmanager
def running_redis(binary: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis server in memory."""
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


def redis_answers(port: int) -> bool:
    """Whether a Redis server answers there."""
    try:
        return bool(redis.Redis(port=port).ping())
    except redis.ConnectionError:
        return False


def write_redis_profile(path: Path, port: int) -> None:
    """A profile whose online store is Redis and whose other parts are local."""
    local = yaml.safe_load(profile_file("local").read_text())
    production = yaml.safe_load(profile_file("production").read_text())
    online = {
        k: str(v).replace("${FEATURES_REDIS}", f"127.0.0.1:{port}") for k, v in production["online_store"].items()
    }
    path.write_text(yaml.safe_dump(local | {"online_store": online | {"skip_dedup": True}}))


@pytest.fixture(scope="session")
def redis_port(
    require_system_package: Callable[[str], Path], free_port: Callable[[], int], wait_until: Callable[..., None]
) -> Iterator[int]:
    """Port of a Redis server of this session."""
    port = free_port()
    with running_redis(require_system_package("redis-server"), port):
        wait_until(lambda: redis_answers(port), 20, "Redis")
        yield port


@pytest.fixture(params=["sqlite", "redis"])
def online_store(request: pytest.FixtureRequest, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty feature store; every test that takes this runs once on each online store."""
    if request.param == "redis":
        port = request.getfixturevalue("redis_port")
        redis.Redis(port=port).flushall()
        write_redis_profile(tmp_path / "profile.yaml", port)
        monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "profile.yaml"))
    return str(request.param)


@pytest.fixture(scope="session")
def redis_tools() -> SimpleNamespace:
    """For a test that starts and stops a Redis server of its own."""
    return SimpleNamespace(running=running_redis, answers=redis_answers, write_profile=write_redis_profile)
