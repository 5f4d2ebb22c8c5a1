"""kill -9 in the middle of a backfill, then the same command again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.crypto.candles.settings import CandleSettings
from components.crypto.ingest import ingest_candles
from runtime.object_store.local import LocalObjectStore
from tests.components.crypto.candles.wire import START, BinanceServer

BARS = 24 * 40
PAGE_BARS = 96

PROGRAM = """
import sys
from pathlib import Path
from components.crypto.ingest import ingest_candles
ingest_candles(Path(sys.argv[1]), symbols=["BTC", "ETH"])
"""


@pytest.mark.parametrize("requests_before_kill", [4, 15])
def test_a_backfill_killed_and_repeated_gives_what_an_unbroken_one_gives(
    server: BinanceServer,
    make_settings: Callable[..., CandleSettings],
    wait_until: Callable[..., None],
    tmp_path: Path,
    requests_before_kill: int,
) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CANDLES_", "AIO_"))},
        "AIO_STATE_DIR": str(tmp_path / "state"),
        "CANDLES_SOURCE": "exchange",
        "CANDLES_EXCHANGE_URL": server.url,
        "CANDLES_SINCE": START.isoformat(),
        "CANDLES_PAGE_BARS": str(PAGE_BARS),
        "CANDLES_EXCHANGE_RATE_LIMIT_MS": "1",
    }
    output = tmp_path / "out" / "candles.parquet"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(output)], env=environment)
    try:
        wait_until(lambda: len(server.times_of("klines")) >= requests_before_kill, 60, "the backfill's middle")
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not output.exists()
    asked_before = len(server.times_of("klines"))
    assert asked_before < 2 * BARS / PAGE_BARS

    settings = make_settings(source="exchange", exchange_url=server.url, page_bars=PAGE_BARS)
    killed = LocalObjectStore(tmp_path / "state" / "objects")
    resumed = ingest_candles(output, symbols=["BTC", "ETH"], settings=settings, objects=killed)
    asked_after = len(server.times_of("klines")) - asked_before
    whole = LocalObjectStore(tmp_path / "whole")
    unbroken = ingest_candles(tmp_path / "whole.parquet", symbols=["BTC", "ETH"], settings=settings, objects=whole)

    assert resumed.data_digest == unbroken.data_digest
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert [(name, killed.get(name)) for name in killed.list()] == [(name, whole.get(name)) for name in whole.list()]
    # At most the page in flight is asked for again, and the overlap of each series.
    assert asked_after <= 2 * BARS / PAGE_BARS - asked_before + 3
