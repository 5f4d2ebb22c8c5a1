"""Candles as Arrow tables and Parquet bytes, in the shape of table `candles`."""

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.crypto.candles.port import VALUE_COLUMNS, CandlePage

CANDLE_SCHEMA = pa.schema(
    [
        ("unique_id", pa.string()),
        ("ds", pa.timestamp("us", tz="UTC")),
        *[(name, pa.float64()) for name in VALUE_COLUMNS],
    ]
)


def to_table(pages: Mapping[str, CandlePage]) -> pa.Table:
    """One table of all series, sorted by `unique_id`; each page must be sorted by open time already."""
    parts = [_series_table(unique_id, pages[unique_id]) for unique_id in sorted(pages)]
    return pa.concat_tables(parts) if parts else CANDLE_SCHEMA.empty_table()


def from_table(table: pa.Table) -> CandlePage:
    """The rows of one series, in the table's order; nulls become NaN."""
    opened = table.column("ds").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    columns = [table.column(name).to_numpy(zero_copy_only=False) for name in VALUE_COLUMNS]
    values = np.column_stack(columns).astype(np.float64) if len(table) else np.empty((0, len(VALUE_COLUMNS)))
    return CandlePage(opened.astype(np.int64), values)


def to_parquet_bytes(unique_id: str, page: CandlePage) -> bytes:
    """One partition; equal candles give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(_series_table(unique_id, page), sink, compression="zstd", use_dictionary=["unique_id"])
    return sink.getvalue()


def from_parquet_bytes(data: bytes) -> CandlePage:
    """Read one partition back."""
    return from_table(pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False))


def write_parquet(pages: Mapping[str, CandlePage], path: Path) -> None:
    """Write all series to one file; a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        pq.write_table(to_table(pages), partial, compression="zstd", use_dictionary=["unique_id"])
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def data_digest(pages: Mapping[str, CandlePage]) -> str:
    """SHA-256 over the candles themselves, whatever file and order they stand in.

    Each series in order of `unique_id`: the id, the number of rows, open times ascending as little-endian int64
    microseconds, then each value column as little-endian float64 with one NaN and no negative zero.
    """
    digest = hashlib.sha256()
    for unique_id in sorted(pages):
        page = pages[unique_id]
        values = np.where(np.isnan(page.values), np.nan, page.values) + 0.0
        digest.update(f"{unique_id}\n{len(page)}\n".encode())
        digest.update(page.opened_us.astype("<i8").tobytes())
        digest.update(np.ascontiguousarray(values.T, dtype="<f8").tobytes())
    return digest.hexdigest()


def _series_table(unique_id: str, page: CandlePage) -> pa.Table:
    columns = [
        pa.array([unique_id], pa.string()).take(pa.array(np.zeros(len(page), dtype=np.int64))),
        pa.array(page.opened_us).cast(pa.timestamp("us", tz="UTC")),
        *[pa.array(page.values[:, index], from_pandas=True) for index in range(len(VALUE_COLUMNS))],
    ]
    return pa.table(columns, schema=CANDLE_SCHEMA)
