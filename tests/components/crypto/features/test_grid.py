from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from components.crypto.features import CandleError, compute_features, regular_candles
from feature_repo.crypto import PARAMETERS, WARM_UP_BARS

MakeCandles = Callable[..., pd.DataFrame]
TOLERANCE = PARAMETERS.max_filled_gap


@pytest.fixture
def series(make_candles: MakeCandles) -> pd.DataFrame:
    """One series of 900 unbroken bars."""
    return make_candles("BTC", 900, seed=21, price=100.0)


def test_an_unbroken_series_comes_back_as_it_was(series: pd.DataFrame) -> None:
    grid = regular_candles(series)
    pd.testing.assert_frame_equal(grid.drop(columns=["observed", "segment"]), series)
    assert grid["observed"].all()
    assert (grid["segment"] == 0).all()


def test_a_short_hole_is_bridged_with_flat_bars_of_no_volume(series: pd.DataFrame) -> None:
    grid = regular_candles(series.drop(index=range(400, 400 + TOLERANCE)))
    assert len(grid) == 900
    filled = grid[~grid["observed"]]
    assert filled.index.tolist() == list(range(400, 400 + TOLERANCE))
    assert (filled[["open", "high", "low", "close"]] == series["close"].iloc[399]).all(axis=None)
    assert (filled["volume"] == 0).all()
    assert (grid["ds"].diff().dropna() == pd.Timedelta(hours=1)).all()
    assert grid["segment"].eq(0).all()


def test_a_long_hole_starts_the_series_and_its_warm_up_anew(make_candles: MakeCandles) -> None:
    series = make_candles("BTC", 2000, seed=22, price=100.0).drop(index=range(900, 901 + TOLERANCE))
    grid = regular_candles(series)
    assert len(grid) == len(series)
    assert grid.groupby("segment").size().tolist() == [900, 2000 - 901 - TOLERANCE]
    rows = compute_features(series)
    alone = compute_features(series.iloc[900:])
    assert len(rows) == (900 - WARM_UP_BARS) + len(alone)
    pd.testing.assert_frame_equal(rows.iloc[900 - WARM_UP_BARS :].reset_index(drop=True), alone)


def test_a_bridged_bar_is_a_row_with_no_return(series: pd.DataFrame) -> None:
    rows = compute_features(series.drop(index=[800, 801])).set_index("ds")
    assert (rows.loc[series["ds"].iloc[[800, 801]], "log_return_1"] == 0).all()
    after = np.log(series["close"].iloc[802] / series["close"].iloc[799])
    assert rows.loc[series["ds"].iloc[802], "log_return_1"] == pytest.approx(after, abs=1e-6)


def test_a_bridged_bar_does_not_speak_for_the_market(make_candles: MakeCandles) -> None:
    btc, eth = (make_candles(name, 900, seed=seed, price=10.0) for name, seed in (("BTC", 23), ("ETH", 24)))
    rows = compute_features(pd.concat([btc.drop(index=[850]), eth])).set_index(["unique_id", "ds"])
    moment = btc["ds"].iloc[850]
    own = rows.loc[(eth["unique_id"].iloc[0], moment), "log_return_1"]
    assert rows.loc[(btc["unique_id"].iloc[0], moment), "market_log_return_1"] == own
    assert own != 0


def test_an_outage_of_every_coin_leaves_each_to_itself(make_candles: MakeCandles) -> None:
    both = [
        make_candles(name, 900, seed=seed, price=10.0).drop(index=[850]) for name, seed in (("BTC", 25), ("ETH", 26))
    ]
    rows = compute_features(pd.concat(both))
    silent = rows[rows["ds"] == pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=850)]
    assert len(silent) == 2
    assert (silent["market_log_return_1"] == 0).all()
    assert (silent["market_log_volatility_24"] == silent["log_volatility_h24"]).all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("close", 0.0, "price that is not positive"),
        ("low", -1.0, "price that is not positive"),
        ("open", np.nan, "price that is not positive"),
        ("high", np.inf, "price that is not positive"),
        ("volume", -1.0, "volume that is negative"),
        ("volume", np.nan, "volume that is negative"),
        ("ds", pd.Timestamp("2024-01-03 04:00:01", tz="UTC"), "multiple of 3600"),
        ("ds", pd.Timestamp("2024-01-01 03:00:00", tz="UTC"), "doubled bar"),
    ],
)
def test_a_bad_candle_is_refused_by_name_and_time(
    series: pd.DataFrame, column: str, value: object, message: str
) -> None:
    series.loc[50, column] = value
    with pytest.raises(CandleError, match=message) as caught:
        compute_features(series)
    assert "binance:usdm-perp:BTC-USDT" in str(caught.value)


def test_a_missing_column_and_a_naive_time_are_refused(series: pd.DataFrame) -> None:
    with pytest.raises(CandleError, match="volume"):
        compute_features(series.drop(columns="volume"))
    with pytest.raises(CandleError, match="UTC"):
        compute_features(series.assign(ds=series["ds"].dt.tz_localize(None)))
