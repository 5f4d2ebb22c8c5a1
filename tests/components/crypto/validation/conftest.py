"""Flawless candles, cut from those that ship with the project."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.crypto.candles.settings import SHIPPED_CANDLES
from components.crypto.candles.table import CANDLE_SCHEMA

BARS = 1000
CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def flawless() -> pd.DataFrame:
    """The last 1,000 hours of BTC and ETH; the source's clock stands at the close of the last."""
    frame = pq.ParquetFile(SHIPPED_CANDLES).read().to_pandas()
    frame = frame[frame.unique_id.isin(["binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"])]
    return frame[frame.ds >= CLOCK - timedelta(hours=BARS)].reset_index(drop=True)


def write(frame: pd.DataFrame, folder: Path) -> Path:
    """As table `candles`, column types included."""
    path = folder / "candles.parquet"
    pq.write_table(pa.Table.from_pandas(frame, schema=CANDLE_SCHEMA, preserve_index=False), path)
    return path
