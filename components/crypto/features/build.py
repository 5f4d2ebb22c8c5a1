"""The pipeline's face of the features: a Parquet file in, a Parquet file out."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.crypto.candles.port import VALUE_COLUMNS, CandlePage
from components.crypto.candles.table import data_digest as candle_digest
from components.crypto.features.compute import features_of
from components.crypto.features.grid import regular_candles
from feature_repo.crypto import WARM_UP_BARS, feature_digest

DIGEST_KEY = b"feature_digest"
"""Key in the file's schema metadata under which the digest of its definitions stands."""


class NoFeatureRowsError(ValueError):
    """No series has more history than the warm-up needs."""


class OtherDefinitionsError(ValueError):
    """A feature file was built by other feature definitions than this code's."""


@dataclass(frozen=True)
class FeatureReport:
    """What was built from what.

    `filled_bars` counts flat bars that bridge short holes, `restarts` the holes too long to bridge.
    """

    rows: int
    feature_digest: str
    data_digest: str
    seconds: float
    filled_bars: int = 0
    restarts: int = 0


def build_features(candles: Path, output: Path) -> FeatureReport:
    """Compute the feature table of a candle file and write it whole or not at all.

    Args:
        candles: Parquet, the `candles` table.
        output: Where the `features` table goes; replaced if it exists.

    Raises:
        CandleError: The candles are not a clean table.
        NoFeatureRowsError: Every series is too short.
    """
    started = time.perf_counter()
    table = pd.read_parquet(candles)
    regular = regular_candles(table)
    rows = features_of(regular)
    if rows.empty:
        raise NoFeatureRowsError(
            f"{candles} holds {len(table)} candles and no series with more than the {WARM_UP_BARS} unbroken bars of "
            "history that the features need; ingest a longer history"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    written = pa.Table.from_pandas(rows, preserve_index=False)
    written = written.replace_schema_metadata(
        {**(written.schema.metadata or {}), DIGEST_KEY: feature_digest().encode()}
    )
    pq.write_table(written, partial, coerce_timestamps="us")
    partial.replace(output)
    return FeatureReport(
        rows=len(rows),
        feature_digest=feature_digest(),
        data_digest=data_digest(table),
        seconds=time.perf_counter() - started,
        filled_bars=int((~regular["observed"]).sum()),
        restarts=int(regular.groupby("unique_id", observed=True)["segment"].max().sum()),
    )


def read_features(path: Path) -> pd.DataFrame:
    """Read a file that `build_features` wrote.

    Raises:
        OtherDefinitionsError: Other definitions built it.
    """
    found = (pq.read_schema(path).metadata or {}).get(DIGEST_KEY, b"none").decode()
    if found != feature_digest():
        raise OtherDefinitionsError(
            f"{path} was built by feature definitions {found}, and this code has {feature_digest()}; "
            "build the features again"
        )
    return pd.read_parquet(path)


def data_digest(candles: pd.DataFrame) -> str:
    """SHA-256 of the candles' content, in hex: the same that ingestion reports for them, in whatever order."""
    pages = {
        str(unique_id): CandlePage(
            rows["ds"].dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64),
            rows[list(VALUE_COLUMNS)].to_numpy(dtype=np.float64),
        )
        for unique_id, rows in candles.sort_values("ds", kind="stable").groupby("unique_id", observed=True)
    }
    return candle_digest(pages)
