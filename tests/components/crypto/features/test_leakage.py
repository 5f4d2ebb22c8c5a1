import numpy as np
import pandas as pd
import pytest

from components.crypto.features import compute_features
from feature_repo.crypto import FEATURE_NAMES, WARM_UP_BARS


def with_holes(candles: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Drop single bars, runs of bars and one stretch too long to bridge."""
    rng = np.random.default_rng(seed)
    keep = rng.random(len(candles)) > 0.01
    for start in rng.integers(0, len(candles), 12):
        keep[start : start + rng.integers(2, 24)] = False
    keep[20:60] = False
    outage = candles["ds"].isin(candles["ds"].iloc[1200:1206])
    return candles[keep & ~outage].reset_index(drop=True)


@pytest.mark.parametrize("holes", [False, True])
def test_no_row_changes_when_later_candles_arrive(candles: pd.DataFrame, holes: bool) -> None:
    history = with_holes(candles, seed=11) if holes else candles
    full = compute_features(history).set_index(["unique_id", "ds"])
    moments = history["ds"].drop_duplicates().sort_values().reset_index(drop=True)
    rng = np.random.default_rng(12)
    compared = 0
    for cut in moments.iloc[rng.integers(WARM_UP_BARS + 1, len(moments), 25)]:
        truncated = compute_features(history[history["ds"] <= cut]).set_index(["unique_id", "ds"])
        pd.testing.assert_frame_equal(truncated, full.loc[truncated.index], check_exact=True)
        compared += len(truncated)
    assert compared > 10_000


def test_the_last_bar_does_move_the_features_of_its_own_row(candles: pd.DataFrame) -> None:
    changed = candles.copy()
    last = changed.groupby("unique_id")["ds"].idxmax()
    changed.loc[last, ["high", "close"]] *= 1.05
    changed.loc[last, "volume"] *= 10
    before, after = (compute_features(table).groupby("unique_id").tail(1) for table in (candles, changed))
    still = [name for name in FEATURE_NAMES if (before[name].to_numpy() == after[name].to_numpy()).any()]
    assert set(still) <= {"same_hour_activity_21d", "hour", "weekday"}


def test_rows_before_a_changed_candle_stay_as_they_were(candles: pd.DataFrame) -> None:
    changed = candles.copy()
    late = changed["ds"] >= changed["ds"].max() - pd.Timedelta(hours=100)
    changed.loc[late, ["open", "high", "low", "close", "volume"]] *= 3.0
    moment = changed.loc[late, "ds"].min()
    before, after = (compute_features(table) for table in (candles, changed))
    pd.testing.assert_frame_equal(before[before["ds"] < moment], after[after["ds"] < moment], check_exact=True)
    assert not before.equals(after)
