"""Feature rows of many series: each stretch alone, then what the market did in the same bar."""

import numpy as np
import pandas as pd

from components.crypto.features.columns import stretch_columns
from components.crypto.features.grid import regular_candles
from feature_repo.crypto import FEATURE_NAMES, PARAMETERS, WARM_UP_BARS

_MARKET = {
    "market_log_return_1": "log_return_1",
    f"market_log_volatility_{PARAMETERS.market_half_life}": f"log_volatility_h{PARAMETERS.market_half_life}",
}


def compute_features(candles: pd.DataFrame) -> pd.DataFrame:
    """Compute every feature of every series.

    Exponential averages start with a series' first candle, so the same bar has the same values only where the stored
    history begins at the same bar. Training and serving both read the stored history from its beginning.

    Args:
        candles: Columns `unique_id, ds, open, high, low, close, volume`; `ds` is the bar's open time in UTC.

    Returns:
        `unique_id, ds` (microseconds UTC), `close` float64 and the features as float32 in `FEATURE_NAMES` order,
        sorted by `unique_id, ds`. Rows before a stretch's warm-up are dropped; bars of a bridged hole are rows like
        others. Every value is finite. Empty where no series is longer than the warm-up.

    Raises:
        CandleError: The candles are not a clean table.
    """
    return features_of(regular_candles(candles))


def features_of(regular: pd.DataFrame) -> pd.DataFrame:
    """`compute_features` for candles that `regular_candles` returned."""
    tables = []
    for _, stretch in regular.groupby(["unique_id", "segment"], sort=True, observed=True):
        if len(stretch) > WARM_UP_BARS:
            columns = stretch_columns(stretch)
            table = pd.concat(
                [stretch[["unique_id", "ds", "close", "observed"]], pd.DataFrame(columns, index=stretch.index)], axis=1
            )
            tables.append(table.iloc[WARM_UP_BARS:])
    if not tables:
        return _typed(pd.DataFrame(columns=["unique_id", "ds", "close", *FEATURE_NAMES]))
    rows = pd.concat(tables, ignore_index=True)
    for name, source in _MARKET.items():
        rows[name] = _market_mean(rows, source)
    return _typed(rows)


def _market_mean(rows: pd.DataFrame, source: str) -> pd.Series:
    """Mean over the series that traded in a bar and are past their warm-up; where none did, the series' own value.

    A bar that was filled in is known only later, so it may not speak for the market: it would change rows of others
    that were already computed.
    """
    traded = rows.loc[rows["observed"], ["unique_id", "ds", source]]
    wide = traded.pivot(index="ds", columns="unique_id", values=source)
    total = np.zeros(len(wide))
    count = np.zeros(len(wide))
    for name in wide.columns:
        column = wide[name].to_numpy()
        present = ~np.isnan(column)
        total += np.where(present, column, 0.0)
        count += present
    mean = pd.Series(total / count, index=wide.index)
    return rows["ds"].map(mean).fillna(rows[source])


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    types: dict[str, str] = {"close": "float64"} | dict.fromkeys(FEATURE_NAMES, "float32")
    table = rows[["unique_id", "ds", "close", *FEATURE_NAMES]].astype(types)
    table["ds"] = pd.to_datetime(table["ds"], utc=True).dt.as_unit("us")
    return table
