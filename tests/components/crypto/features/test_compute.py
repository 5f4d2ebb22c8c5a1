from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib

from components.crypto.features import compute_features
from feature_repo.crypto import FEATURE_NAMES, PARAMETERS, WARM_UP_BARS

MakeCandles = Callable[..., pd.DataFrame]


def test_the_table_has_the_columns_types_and_order_of_the_spec(candles: pd.DataFrame) -> None:
    rows = compute_features(candles.sample(frac=1.0, random_state=0))
    assert list(rows.columns) == ["unique_id", "ds", "close", *FEATURE_NAMES]
    assert str(rows["ds"].dtype) == "datetime64[us, UTC]"
    assert rows["close"].dtype == np.float64
    assert set(rows[list(FEATURE_NAMES)].dtypes) == {np.dtype("float32")}
    pd.testing.assert_frame_equal(rows, rows.sort_values(["unique_id", "ds"], ignore_index=True))


def test_rows_begin_after_the_warm_up_and_end_with_the_last_candle(candles: pd.DataFrame) -> None:
    rows = compute_features(candles)
    for unique_id, series in candles.groupby("unique_id"):
        expected = series.sort_values("ds").iloc[WARM_UP_BARS:]
        found = rows[rows["unique_id"] == unique_id]
        assert found["ds"].tolist() == expected["ds"].tolist()
        assert found["close"].tolist() == expected["close"].tolist()


def test_every_value_is_finite(candles: pd.DataFrame) -> None:
    assert np.isfinite(compute_features(candles)[list(FEATURE_NAMES)].to_numpy()).all()


def test_indicators_equal_those_of_the_library_on_raw_prices(candles: pd.DataFrame) -> None:
    series = candles[candles["unique_id"].str.contains("BTC")]
    high, low, close = (series[name].to_numpy() for name in ("high", "low", "close"))
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    expected = {
        "rsi_14": talib.RSI(close, 14) / 100,
        "macd": talib.MACD(close, 12, 26, 9)[0] / close,
        "macd_signal": talib.MACD(close, 12, 26, 9)[1] / close,
        "macd_histogram": talib.MACD(close, 12, 26, 9)[2] / close,
        "sma_168": np.log(close / talib.SMA(close, 168)),
        "ema_26": np.log(close / talib.EMA(close, 26)),
        "bollinger_position_20": (close - middle) / (upper - middle),
        "bollinger_width_20": (upper - lower) / middle,
        "atr_14": talib.ATR(high, low, close, 14) / close,
    }
    rows = compute_features(series)
    for name, values in expected.items():
        np.testing.assert_allclose(rows[name], values[WARM_UP_BARS:], rtol=1e-5, atol=1e-7, err_msg=name)


def test_volatility_features_equal_their_written_formulas(candles: pd.DataFrame) -> None:
    series = candles[candles["unique_id"].str.contains("BTC")].reset_index(drop=True)
    returns = np.log(series["close"]).diff().to_numpy()[1:]
    parkinson = np.log(series["high"] / series["low"]).to_numpy() ** 2 / (4 * np.log(2))
    last = compute_features(series).iloc[-1]

    def weighted_root(values: np.ndarray, half_life: int) -> float:
        weights = 0.5 ** (np.arange(len(values))[::-1] / half_life)
        return float(np.log(np.sqrt((weights * values).sum() / weights.sum())))

    for half_life in (1, 24, 720):
        assert last[f"log_volatility_h{half_life}"] == pytest.approx(weighted_root(returns**2, half_life), abs=1e-6)
        assert last[f"log_range_h{half_life}"] == pytest.approx(weighted_root(parkinson, half_life), abs=1e-6)
    assert last["log_realised_168"] == pytest.approx(np.log(np.sqrt((returns[-168:] ** 2).mean())), abs=1e-6)
    assert last["log_return_24"] == pytest.approx(returns[-24:].sum(), abs=1e-6)


def test_same_hour_activity_looks_at_the_hour_of_the_next_bar(make_candles: MakeCandles) -> None:
    series = make_candles("BTC", 1200, seed=4, price=100.0)
    busy = series["ds"].dt.hour == 13
    calm = 100 * np.exp(0.0001 * (-1.0) ** np.arange(1200))
    series["close"] = np.where(busy, calm * 1.02, calm)
    series["open"] = series["close"]
    series["high"], series["low"] = series["close"] * 1.001, series["close"] * 0.999
    rows = compute_features(series)
    by_hour = rows.groupby(rows["ds"].dt.hour)["same_hour_activity_21d"].mean()
    assert set(by_hour.nlargest(2).index) == {12, 13}, "the bars at 13 and 14 move, so those at 12 and 13 expect it"
    assert by_hour.drop([12, 13]).max() < 0


def test_the_calendar_is_that_of_the_close(candles: pd.DataFrame) -> None:
    row = compute_features(candles).iloc[5]
    closes = row["ds"] + pd.Timedelta(hours=1)
    assert (row["hour"], row["weekday"]) == (closes.hour, closes.weekday())


def test_features_do_not_depend_on_the_unit_of_the_price(candles: pd.DataFrame) -> None:
    series = candles[candles["unique_id"].str.contains("BTC")].copy()
    expected = compute_features(series)[list(FEATURE_NAMES)]
    prices = ["open", "high", "low", "close"]
    series[prices] *= 1e-12
    np.testing.assert_allclose(compute_features(series)[list(FEATURE_NAMES)], expected, rtol=1e-5, atol=1e-6)


def test_the_market_is_the_mean_of_the_coins_past_their_warm_up(candles: pd.DataFrame) -> None:
    rows = compute_features(candles)
    mean = rows.groupby("ds")[["log_return_1", "log_volatility_h24"]].transform("mean")
    np.testing.assert_allclose(rows["market_log_return_1"], mean["log_return_1"], atol=1e-7)
    np.testing.assert_allclose(rows["market_log_volatility_24"], mean["log_volatility_h24"], atol=1e-6)
    sizes = rows.groupby("ds")["unique_id"].count()
    assert set(sizes) == {2, 3}, "the late coin must join the market within the test's rows"


def test_a_market_that_stands_still_has_finite_features(make_candles: MakeCandles) -> None:
    series = make_candles("BTC", 1000, seed=5, price=0.00001)
    series[["open", "high", "low", "close"]] = 0.00001
    series["volume"] = 0.0
    last = compute_features(series).iloc[-1]
    assert last["log_volatility_h1"] == pytest.approx(np.log(PARAMETERS.volatility_floor))
    assert last["log_range_h720"] == pytest.approx(np.log(PARAMETERS.volatility_floor))
    expected = {"rsi_14": 0.5, "bollinger_position_20": 0, "bollinger_width_20": 0, "volume_z_168": 0, "atr_14": 0}
    assert {name: last[name] for name in expected} == expected
    assert last["same_hour_activity_21d"] == 0


def test_a_market_that_freezes_after_moving_has_finite_features(make_candles: MakeCandles) -> None:
    series = make_candles("DOGE", 1400, seed=6, price=0.07)
    series.loc[900:, ["open", "high", "low", "close"]] = series["close"].iloc[900]
    series.loc[900:, "volume"] = 0.0
    rows = compute_features(series)
    assert np.isfinite(rows[list(FEATURE_NAMES)].to_numpy()).all()
    assert rows["bollinger_position_20"].iloc[-1] == 0


def test_a_series_shorter_than_the_warm_up_gives_no_row(make_candles: MakeCandles) -> None:
    rows = compute_features(make_candles("BTC", WARM_UP_BARS, seed=7, price=1.0))
    assert rows.empty
    assert list(rows.columns) == ["unique_id", "ds", "close", *FEATURE_NAMES]
    assert len(compute_features(make_candles("BTC", WARM_UP_BARS + 1, seed=7, price=1.0))) == 1
