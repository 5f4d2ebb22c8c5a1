"""Each kind of bad data makes exactly the check fail that is about it."""

import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.crypto.candles.port import CandleError
from components.crypto.candles.settings import SHIPPED_CANDLES
from components.crypto.candles.table import CANDLE_SCHEMA
from components.crypto.validation import ValidationOutcome, validate_candles
from tests.components.crypto.validation.conftest import BARS, CLOCK, write

BTC, ETH = "binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"
HOUR = timedelta(hours=1)

Damage = Callable[[pd.DataFrame], pd.DataFrame]


def check(frame: pd.DataFrame, folder: Path, **options: object) -> ValidationOutcome:
    wanted: dict[str, object] = {"timeframe": "1h", "source_clock": CLOCK, **options}
    return validate_candles(write(frame, folder), folder / "report.html", **wanted)  # type: ignore[arg-type]


def names(outcome: ValidationOutcome) -> list[str]:
    return [failure.name for failure in outcome.failures]


def with_cell(row: int, column: str, change: Callable[[pd.Series], object]) -> Damage:
    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        damaged = frame.copy()
        damaged.loc[row, column] = change(frame.loc[row])
        return damaged

    return damage


def between_open_and_close(column: str, *, rising: bool) -> Damage:
    """Put one price between the open and the close of a bar, so that it breaks one of the two sides only."""

    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        row = int(np.flatnonzero((frame.close > frame.open) == rising)[5])
        return with_cell(row, column, lambda candle: (candle.open + candle.close) / 2)(frame)

    return damage


def without(rows: slice) -> Damage:
    return lambda frame: frame.drop(frame.index[rows])


def repeated(row: int) -> Damage:
    return lambda frame: pd.concat([frame.iloc[: row + 1], frame.iloc[row:]])


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    order = np.arange(len(frame))
    order[[10, 11]] = [11, 10]
    return frame.iloc[order]


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    damaged = frame.copy()
    damaged.loc[20, "ds"] += timedelta(minutes=30)
    return damaged


DAMAGES: dict[str, tuple[Damage, list[str]]] = {
    "high below open": (between_open_and_close("high", rising=False), ["high_at_least_open"]),
    "high below close": (between_open_and_close("high", rising=True), ["high_at_least_close"]),
    "low above open": (between_open_and_close("low", rising=True), ["low_at_most_open"]),
    "low above close": (between_open_and_close("low", rising=False), ["low_at_most_close"]),
    "zero low": (with_cell(9, "low", lambda _: 0.0), ["positive_low"]),
    "negative low": (with_cell(9, "low", lambda _: -1.0), ["positive_low"]),
    "infinite high": (with_cell(9, "high", lambda _: math.inf), ["positive_high"]),
    "negative volume": (with_cell(9, "volume", lambda _: -0.5), ["volume_not_negative"]),
    "infinite volume": (with_cell(9, "volume", lambda _: math.inf), ["volume_not_negative"]),
    **{
        f"no {column}": (with_cell(9, column, lambda _: None), [f"no_null_{column}"])
        for column in ("open", "high", "low", "close", "volume")
    },
    "no time": (with_cell(9, "ds", lambda _: pd.NaT), ["no_null_ds"]),
    "no identity": (with_cell(9, "unique_id", lambda _: None), ["no_null_unique_id"]),
    "a bar twice": (repeated(30), ["unique_bars"]),
    "bars in disorder": (swapped, ["sorted"]),
    "a bar off the grid": (shifted, ["aligned"]),
    "more hours missing than tolerated": (without(slice(100, 111)), ["missing_within_tolerance"]),
    "newest hours of one series absent": (without(slice(BARS - 3, BARS)), ["fresh"]),
    "short history of one series": (without(slice(0, 89)), ["enough_history"]),
    "no candle at all": (without(slice(None)), ["not_empty"]),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_a_kind_of_bad_data_fails_exactly_its_check(
    flawless: pd.DataFrame, tmp_path: Path, damage: Damage, expected: list[str]
) -> None:
    outcome = check(damage(flawless), tmp_path)

    assert names(outcome) == expected
    assert not outcome.passed


def test_flawless_candles_pass_every_check(flawless: pd.DataFrame, tmp_path: Path) -> None:
    outcome = check(flawless, tmp_path, expected_series=[BTC, ETH], max_missing_fraction=0.0, max_age_bars=0.0)

    assert outcome.passed
    assert outcome.failures == []
    assert all(result.passed for result in outcome.checks)
    assert outcome.statistics.rows == 2 * BARS


def test_the_shipped_candles_pass(tmp_path: Path) -> None:
    outcome = validate_candles(SHIPPED_CANDLES, tmp_path / "report.html", timeframe="1h", source_clock=CLOCK)

    assert outcome.passed
    assert [series.bars for series in outcome.statistics.series] == [26_304] * 6


@pytest.mark.parametrize("missing", [0, 9])
def test_missing_hours_within_tolerance_pass_and_are_counted(
    flawless: pd.DataFrame, tmp_path: Path, missing: int
) -> None:
    outcome = check(without(slice(100, 100 + missing))(flawless), tmp_path)

    assert outcome.passed
    bitcoin, ether = outcome.statistics.series
    assert (bitcoin.missing_bars, bitcoin.longest_gap_bars, bitcoin.missing_fraction) == (
        missing,
        missing,
        missing / BARS,
    )
    assert (ether.unique_id, ether.missing_bars) == (ETH, 0)


def test_freshness_is_judged_by_the_sources_clock_and_not_by_the_wall(flawless: pd.DataFrame, tmp_path: Path) -> None:
    assert check(flawless, tmp_path, source_clock=CLOCK + 2 * HOUR).passed
    assert names(check(flawless, tmp_path, source_clock=CLOCK + 2 * HOUR + timedelta(seconds=1))) == ["fresh"]
    assert names(check(flawless, tmp_path, source_clock=CLOCK - timedelta(seconds=1))) == ["closed"]


def test_a_series_that_is_expected_and_absent_fails(flawless: pd.DataFrame, tmp_path: Path) -> None:
    solana = "binance:usdm-perp:SOL-USDT"

    outcome = check(flawless, tmp_path, expected_series=[BTC, solana])

    assert names(outcome) == ["expected_series"]
    assert solana in outcome.failures[0].says


def test_a_series_with_no_bar_on_the_grid_is_not_passed_over(flawless: pd.DataFrame, tmp_path: Path) -> None:
    damaged = flawless.assign(ds=flawless.ds + (flawless.unique_id == BTC) * pd.Timedelta(minutes=30))

    assert names(check(damaged, tmp_path)) == ["aligned", "enough_history"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda table: table.drop_columns(["volume"]), "columns"),
        (lambda table: table.append_column("extra", pa.nulls(len(table))), "columns"),
        (lambda table: table.set_column(6, "volume", table["volume"].cast(pa.float32())), "types"),
        (lambda table: table.set_column(1, "ds", table["ds"].cast(pa.timestamp("ns", "UTC"))), "types"),
        (lambda table: table.set_column(1, "ds", table["ds"].cast(pa.timestamp("us"))), "types"),
    ],
    ids=["column missing", "column too many", "single precision", "nanoseconds", "no time zone"],
)
def test_a_wrong_schema_fails_before_anything_else_is_looked_at(
    flawless: pd.DataFrame, tmp_path: Path, damage: Callable[[pa.Table], pa.Table], expected: str
) -> None:
    table = pa.Table.from_pandas(flawless, schema=CANDLE_SCHEMA, preserve_index=False)
    pq.write_table(damage(table), tmp_path / "candles.parquet")

    outcome = validate_candles(
        tmp_path / "candles.parquet", tmp_path / "report.html", timeframe="1h", source_clock=CLOCK
    )

    assert expected in names(outcome)
    assert {result.name for result in outcome.checks} == {"columns", "types"}
    assert (tmp_path / "report.html").is_file()


def test_several_kinds_of_bad_data_are_all_named(flawless: pd.DataFrame, tmp_path: Path) -> None:
    damaged = repeated(30)(with_cell(9, "volume", lambda _: -1.0)(flawless))

    assert names(check(damaged, tmp_path)) == ["volume_not_negative", "unique_bars"]


def test_failing_rows_are_counted_and_a_few_are_shown_with_their_key(flawless: pd.DataFrame, tmp_path: Path) -> None:
    damaged = flawless.copy()
    damaged.loc[100:119, "volume"] = -1.0

    (failure,) = check(damaged, tmp_path).failures

    assert failure.unexpected == 20
    assert len(failure.examples) == 5
    broken = set(damaged.ds[100:120].map(pd.Timestamp.isoformat))
    for example in failure.examples:
        assert example["unique_id"] == BTC
        assert example["volume"] == -1.0
        assert example["ds"] in broken


def test_rows_are_shown_quickly_where_all_of_a_large_table_are_bad(flawless: pd.DataFrame, tmp_path: Path) -> None:
    large = pd.concat(
        [
            flawless[flawless.unique_id == BTC].assign(unique_id=f"binance:usdm-perp:C{index:03}-USDT", volume=np.nan)
            for index in range(100)
        ]
    )

    (failure,) = check(large, tmp_path).failures

    assert (failure.name, failure.unexpected, len(failure.examples)) == ("no_null_volume", 100 * BARS, 5)
    assert failure.examples[0]["volume"] is None


def test_an_unreadable_file_is_an_error_and_not_a_failed_check(tmp_path: Path) -> None:
    (tmp_path / "garbage.parquet").write_bytes(b"garbage")

    for name in ("absent.parquet", "garbage.parquet"):
        with pytest.raises(CandleError, match=rf"cannot read.*{name}"):
            validate_candles(tmp_path / name, tmp_path / "report.html", timeframe="1h", source_clock=CLOCK)


def test_a_clock_without_a_time_zone_is_refused(flawless: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        check(flawless, tmp_path, source_clock=datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_outcome_is_plain_json(flawless: pd.DataFrame, tmp_path: Path) -> None:
    damaged = with_cell(9, "high", lambda _: math.inf)(flawless)

    plain = json.loads(json.dumps(check(damaged, tmp_path).to_dict(), allow_nan=False))

    assert plain["passed"] is False
    assert plain["failures"][0]["examples"][0]["high"] == "inf"
    assert plain["statistics"]["series"][0]["last"] == "2025-12-31T23:00:00+00:00"
