"""Candles on a regular grid: short holes bridged, long holes cut, nothing invented in silence."""

import numpy as np
import pandas as pd

from feature_repo.crypto import BAR_SECONDS, PARAMETERS

CANDLE_COLUMNS = ("unique_id", "ds", "open", "high", "low", "close", "volume")
PRICE_COLUMNS = ("open", "high", "low", "close")


class CandleError(ValueError):
    """The candles are not a table that features can be computed from; names the series and what is wrong."""


def regular_candles(candles: pd.DataFrame) -> pd.DataFrame:
    """Put every series on a regular hourly grid and cut it where a hole is too long to bridge.

    A hole of at most `PARAMETERS.max_filled_gap` bars is filled with flat bars at the last close and no volume; a
    longer one is left open and what follows it is a new segment. Filling uses earlier bars only, and the bars of a
    hole appear once a later bar has closed it, so a longer history never changes an earlier row.

    Args:
        candles: Columns `unique_id, ds, open, high, low, close, volume`; `ds` in UTC, any order.

    Returns:
        The same columns sorted by `unique_id, ds`, with `observed` (False for a bar that was filled in) and `segment`
        (counts unbroken stretches within a series from 0).

    Raises:
        CandleError: A column is missing, `ds` carries no time zone or is off the grid, a bar is doubled, a price is
            not positive and finite, or a volume is negative.
    """
    checked = _checked(candles)
    stretches = [_on_grid(series) for _, series in checked.groupby("unique_id", sort=True, observed=True)]
    return pd.concat(stretches, ignore_index=True) if stretches else checked.assign(observed=True, segment=0)


def _checked(candles: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in CANDLE_COLUMNS if name not in candles.columns]
    if missing:
        raise CandleError(f"candles lack {missing}; expected {list(CANDLE_COLUMNS)}, received {list(candles.columns)}")
    if not isinstance(candles["ds"].dtype, pd.DatetimeTZDtype):
        raise CandleError(f"`ds` must be a timestamp in UTC, received {candles['ds'].dtype}")
    table = candles.loc[:, list(CANDLE_COLUMNS)].copy()
    table["unique_id"] = table["unique_id"].astype("object")
    table["ds"] = table["ds"].dt.tz_convert("UTC").dt.as_unit("us")
    table[list(CANDLE_COLUMNS[2:])] = table[list(CANDLE_COLUMNS[2:])].astype("float64")
    table = table.sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)
    prices = table[list(PRICE_COLUMNS)].to_numpy()
    volume = table["volume"].to_numpy()
    _refuse(table, table.duplicated(["unique_id", "ds"]).to_numpy(), "doubled bar")
    _refuse(table, _seconds(table["ds"]) % BAR_SECONDS != 0, f"bar that does not open on a multiple of {BAR_SECONDS} s")
    _refuse(table, ~(np.isfinite(prices) & (prices > 0)).all(axis=1), "price that is not positive and finite")
    _refuse(table, ~(np.isfinite(volume) & (volume >= 0)), "volume that is negative or not finite")
    return table


def _refuse(table: pd.DataFrame, bad: np.ndarray[tuple[int], np.dtype[np.bool_]], what: str) -> None:
    if bad.any():
        first = table.iloc[int(np.argmax(bad))]
        raise CandleError(
            f"{int(bad.sum())} rows hold a {what}; the first is {first['unique_id']} at {first['ds'].isoformat()}. "
            "Validate the candles before computing features."
        )


def _seconds(ds: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    seconds: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        ds.to_numpy(dtype="datetime64[us]").astype("int64") // 1_000_000
    )
    return seconds


def _on_grid(series: pd.DataFrame) -> pd.DataFrame:
    """Regular grid of one series, already checked and sorted."""
    bars = _seconds(series["ds"]) // BAR_SECONDS
    steps = np.diff(bars, prepend=bars[:1] - 1)
    # What each bar adds to the grid: itself, and the bars of the hole before it where that hole is bridged.
    bridged = np.where(steps - 1 <= PARAMETERS.max_filled_gap, steps, 1)
    source = np.repeat(np.arange(len(bars)), bridged)
    back = np.repeat(np.cumsum(bridged) - 1, bridged) - np.arange(bridged.sum())
    observed = back == 0
    grid = series.iloc[np.where(observed, source, source - 1)].reset_index(drop=True)
    grid["ds"] = pd.to_datetime((bars[source] - back) * BAR_SECONDS, unit="s", utc=True).as_unit("us")
    for name in ("open", "high", "low"):
        grid[name] = np.where(observed, grid[name], grid["close"])
    grid["volume"] = np.where(observed, grid["volume"], 0.0)
    segment = np.cumsum(steps - 1 > PARAMETERS.max_filled_gap)
    return grid.assign(observed=observed, segment=segment[source])
