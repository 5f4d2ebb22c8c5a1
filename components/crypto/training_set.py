"""The training set, read point in time from the feature store."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_repo import names
from feature_repo.crypto import BAR_SECONDS, FEATURE_NAMES, WARM_UP_BARS, feature_digest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class TrainingSetError(RuntimeError):
    """The feature store did not give what was published: rows are missing or belong to other candles."""


@dataclass(frozen=True)
class TrainingSetReport:
    """What was read, by which definitions, and how long it took."""

    rows: int
    feature_digest: str
    seconds: float


def read_training_features(
    candles: Path, features: Path, output: Path, *, profile: str | None = None
) -> TrainingSetReport:
    """Publish feature rows and read them back as they were known at the close of every candle.

    The rows pass through the same store, service and point-in-time join that any other training set would use; the
    result equals `features`, row by row and bit by bit, and that is checked by count and closes. Both happen under the
    writer lock, so that no other run's rows come between.

    Args:
        candles: Parquet, the `candles` table; each bar past its warm-up is a moment to read at.
        features: Parquet, the `features` table of these candles.
        output: Where the `features` table as the store gives it goes; replaced if it exists.
        profile: Feature store profile; None follows the environment.

    Raises:
        TrainingSetError: The store gave other rows than were published.
        OtherDefinitionsError: The features were built by other definitions than this code's.
        WriterBusyError: Another writer held the store for too long.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    from components.crypto.features import read_features
    from components.crypto.features.build import DIGEST_KEY
    from components.crypto.materialise import publish_rows
    from feature_repo.store import apply, open_store
    from feature_repo.writer_lock import writing

    started = time.perf_counter()
    moments = _moments(pd.read_parquet(candles))
    store = open_store(profile)
    with writing(store, "read a training set"):
        apply(store)
        publish_rows(store, read_features(features))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            job = store.get_historical_features(
                entity_df=moments[[names.SERIES_KEY, "event_timestamp"]].copy(),
                features=store.get_feature_service(names.training_service()),
            )
            found = job.to_arrow()
    table = _as_published(found, moments)
    table = table.replace_schema_metadata({DIGEST_KEY: feature_digest().encode()})
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    pq.write_table(table, partial, coerce_timestamps="us")
    partial.replace(output)
    return TrainingSetReport(len(table), feature_digest(), time.perf_counter() - started)


def _moments(candles: "pd.DataFrame") -> "pd.DataFrame":
    """Each bar past its stretch's warm-up, with the moment from which it is known."""
    import pandas as pd

    from components.crypto.features import regular_candles

    bars = regular_candles(candles)
    past = bars.groupby([names.SERIES_KEY, "segment"], observed=True).cumcount() >= WARM_UP_BARS
    moments = bars.loc[past, [names.SERIES_KEY, "ds", "close"]].reset_index(drop=True)
    moments["event_timestamp"] = (moments["ds"] + pd.Timedelta(seconds=BAR_SECONDS)).dt.as_unit("us")
    return moments


def _as_published(found: "pa.Table", moments: "pd.DataFrame") -> "pa.Table":
    """The store's answer as a `features` table, checked against the candles it was asked for."""
    import pyarrow as pa

    found = found.sort_by([(names.SERIES_KEY, "ascending"), ("event_timestamp", "ascending")])
    close = found["close"].combine_chunks()
    if len(found) != len(moments) or close.null_count:
        raise TrainingSetError(
            f"asked the feature store for {len(moments)} rows and received {len(found)}, {close.null_count} of them "
            "empty; were candles and features built together?"
        )
    if not np.array_equal(close.to_numpy(zero_copy_only=False), moments["close"].to_numpy()):
        raise TrainingSetError("closes in the feature store differ from the candles: the features are of other candles")
    columns = {
        names.SERIES_KEY: pa.array(moments[names.SERIES_KEY], pa.string()),
        "ds": pa.array(moments["ds"], pa.timestamp("us", tz="UTC")),
        "close": close.cast(pa.float64()),
    }
    columns |= {name: found[name].cast(pa.float32()) for name in FEATURE_NAMES}
    return pa.table(columns)
