"""Bringing features into the store: rows for training, each series' latest window for serving."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_repo import names
from feature_repo.crypto import BAR_SECONDS, FEATURE_NAMES, WINDOW_BARS, feature_digest
from feature_repo.online import FeastWindowReader, Window

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore


class MaterialiseError(ValueError):
    """Candles and features do not belong together, or no series has a whole window."""


@dataclass(frozen=True)
class MaterialiseReport:
    """What a materialisation did.

    Attributes:
        feature_digest: Definitions that the windows follow.
        rows: Feature rows that the offline store now holds.
        written: Series whose window was written, ascending.
        kept: Series whose stored window was newer and therefore stays.
        skipped: Series without a whole window → why.
        as_of: Event time of the newest window written; None if none was.
        seconds: Wall time.
    """

    feature_digest: str
    rows: int
    written: tuple[str, ...]
    kept: tuple[str, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    as_of: datetime | None = None
    seconds: float = 0.0


def materialise_windows(candles: Path, features: Path, *, profile: str | None = None) -> MaterialiseReport:
    """Publish feature rows offline and push each series' latest window online.

    A reader sees a series' old window or its new one; a window older than the stored one is not written. Killed at any
    point, the store holds old or new windows, and running it again completes the work.

    Args:
        candles: Parquet, the `candles` table that the features were computed from.
        features: Parquet, the `features` table.
        profile: Feature store profile; None follows the environment.

    Raises:
        MaterialiseError: The files do not belong together, or no series has `WINDOW_BARS` unbroken rows.
        OtherDefinitionsError: The features were built by other definitions than this code's.
        WriterBusyError: Another writer held the store for too long.
    """
    import pandas as pd

    from components.crypto.features import read_features
    from feature_repo.store import apply, open_store
    from feature_repo.writer_lock import writing

    started = time.perf_counter()
    rows = read_features(features)
    windows, skipped = latest_windows(pd.read_parquet(candles), rows)
    store = open_store(profile)
    with writing(store, "materialise windows"):
        apply(store)
        publish_rows(store, rows)
        fresh, kept = _not_older(windows, profile)
        _push(store, fresh)
    return MaterialiseReport(
        feature_digest=feature_digest(),
        rows=len(rows),
        written=tuple(w.unique_id for w in fresh),
        kept=tuple(w.unique_id for w in kept),
        skipped=skipped,
        as_of=max((w.as_of for w in fresh), default=None),
        seconds=time.perf_counter() - started,
    )


def publish_rows(store: "FeatureStore", rows: "pd.DataFrame") -> None:
    """Make a features table the offline rows of the current definitions; the writer lock must be held."""
    import pandas as pd
    import pyarrow as pa

    from feature_repo.offline import write_offline

    columns = rows[[names.SERIES_KEY, "ds", "close", *FEATURE_NAMES]]
    known = (columns["ds"] + pd.Timedelta(seconds=BAR_SECONDS)).dt.as_unit("us")
    table = columns.drop(columns="ds").assign(**{names.EVENT_TIME: known})
    write_offline(store, names.rows_view(), pa.Table.from_pandas(table, preserve_index=False))


def latest_windows(candles: "pd.DataFrame", rows: "pd.DataFrame") -> tuple[list[Window], dict[str, str]]:
    """Cut each series' last window out of its features and candles.

    Returns:
        The windows in ascending order of series, and for each series without one the reason.

    Raises:
        MaterialiseError: A close differs between the two tables, or no series has a whole window.
    """
    from components.crypto.features import regular_candles

    bars = regular_candles(candles).set_index([names.SERIES_KEY, "ds"])
    windows, skipped = [], {}
    for unique_id, series in rows.groupby(names.SERIES_KEY, sort=True, observed=True):
        tail = series.sort_values("ds").tail(WINDOW_BARS)
        span = (tail["ds"].iloc[-1] - tail["ds"].iloc[0]).total_seconds() / BAR_SECONDS + 1
        if len(tail) < WINDOW_BARS or span != WINDOW_BARS:
            skipped[str(unique_id)] = f"{len(tail)} rows over {span:g} bars; a window needs {WINDOW_BARS} unbroken"
            continue
        windows.append(_window(str(unique_id), tail, bars))
    if not windows:
        raise MaterialiseError(f"no series has {WINDOW_BARS} unbroken feature rows: {skipped or 'the table is empty'}")
    return windows, skipped


def _window(unique_id: str, tail: "pd.DataFrame", bars: "pd.DataFrame") -> Window:
    keys = list(zip(tail[names.SERIES_KEY], tail["ds"], strict=True))
    own = bars.reindex(keys)
    if not np.array_equal(own["close"].to_numpy(), tail["close"].to_numpy()):
        raise MaterialiseError(f"closes of {unique_id} differ: the features were computed from other candles")
    seconds = tail["ds"].to_numpy(dtype="datetime64[us]").astype("int64") / 1e6
    prices = own[["open", "high", "low", "close", "volume"]].to_numpy(dtype="<f8")
    return Window(
        unique_id=unique_id,
        ds=tail["ds"].iloc[-1].to_pydatetime(),
        window=tail[list(FEATURE_NAMES)].to_numpy(dtype="<f4"),
        candles=np.column_stack([seconds, prices]),
        last_close=float(tail["close"].iloc[-1]),
    )


def _not_older(windows: Sequence[Window], profile: str | None) -> tuple[list[Window], list[Window]]:
    """Windows to write, and those whose stored window is newer."""
    stored = FeastWindowReader(feature_digest(), profile).read([w.unique_id for w in windows])
    fresh: list[Window] = []
    kept: list[Window] = []
    for window, old in zip(windows, stored, strict=True):
        (kept if old is not None and old.ds > window.ds else fresh).append(window)
    return fresh, kept


def _push(store: "FeatureStore", windows: Sequence[Window]) -> None:
    import pandas as pd

    if not windows:
        return
    table = pd.DataFrame(
        {
            names.SERIES_KEY: [w.unique_id for w in windows],
            names.EVENT_TIME: pd.to_datetime([w.as_of for w in windows], utc=True).as_unit("us"),
            "window": [w.window.astype("<f4").tobytes() for w in windows],
            "candles": [w.candles.astype("<f8").tobytes() for w in windows],
            "last_close": [w.last_close for w in windows],
        }
    )
    store.write_to_online_store(names.window_view(), table)
