"""Replacing a view's offline rows, whole or not at all."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.names import ASOF_STORE
from feature_repo.store import FeatureStoreConfigError, offline_location, state_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from feast import FeatureStore


def write_offline(store: "FeatureStore", view: str, rows: "pa.Table") -> None:
    """Replace what a view's offline source holds.

    Args:
        store: An open store; its offline type says where the rows go.
        view: Name of the feature view.
        rows: Join key, event time in microseconds UTC, and the view's features.

    Raises:
        FeatureStoreConfigError: The profile's offline store is none that we know.
    """
    kind = store.config.offline_store.type
    writers: dict[str, Callable[[str, pa.Table], None]] = {
        ASOF_STORE: _replace_file,
        "duckdb": _replace_file,
        "bigquery": _replace_table,
        "spark": _replace_object,
    }
    if kind not in writers:
        raise FeatureStoreConfigError(f"no rows can be written to a store of type {kind!r}; use {sorted(writers)}")
    writers[kind](view, rows)


def _parquet(rows: "pa.Table", where: "Path | io.BytesIO") -> None:
    import pyarrow.parquet as pq

    pq.write_table(rows, where, coerce_timestamps="us", compression="zstd")


def _replace_file(view: str, rows: "pa.Table") -> None:
    target = state_folder() / "offline" / f"{view}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    _parquet(rows, partial)
    partial.replace(target)


def _replace_table(view: str, rows: "pa.Table") -> None:
    """One load job that truncates: BigQuery shows the old rows or the new ones."""
    from google.cloud import bigquery

    buffer = io.BytesIO()
    _parquet(rows, buffer)
    job = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET, write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE
    )
    table = f"{offline_location()}.{view}"
    project = table.partition(".")[0]
    bigquery.Client(project=project).load_table_from_file(buffer, table, job_config=job, rewind=True).result()


def _replace_object(view: str, rows: "pa.Table") -> None:
    from runtime.object_store import open_object_store

    buffer = io.BytesIO()
    _parquet(rows, buffer)
    open_object_store(offline_location()).put(f"{view}.parquet", buffer.getvalue())
