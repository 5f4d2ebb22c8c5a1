from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.crypto.candles.table import data_digest as candle_digest
from components.crypto.candles.table import from_table
from components.crypto.features import CandleError, build_features, compute_features
from components.crypto.features.build import NoFeatureRowsError, data_digest
from feature_repo.crypto import FEATURE_NAMES, feature_digest


def test_the_file_holds_the_computed_rows_with_microseconds_in_utc(candles: pd.DataFrame, tmp_path: Path) -> None:
    source = tmp_path / "candles.parquet"
    candles.to_parquet(source, index=False)
    report = build_features(source, tmp_path / "out" / "features.parquet")
    rows = pd.read_parquet(tmp_path / "out" / "features.parquet")
    pd.testing.assert_frame_equal(rows, compute_features(candles), check_exact=True)
    schema = pq.read_schema(tmp_path / "out" / "features.parquet")
    assert schema.field("ds").type == pa.timestamp("us", tz="UTC")
    assert schema.names == ["unique_id", "ds", "close", *FEATURE_NAMES]
    assert (report.rows, report.feature_digest, report.data_digest) == (
        len(rows),
        feature_digest(),
        data_digest(candles),
    )
    assert (report.filled_bars, report.restarts) == (0, 0)
    assert report.seconds > 0


def test_bridged_and_cut_holes_are_reported(candles: pd.DataFrame, tmp_path: Path) -> None:
    holed = candles.drop(index=[*range(100, 105), *range(200, 260)])
    holed.to_parquet(tmp_path / "candles.parquet", index=False)
    report = build_features(tmp_path / "candles.parquet", tmp_path / "features.parquet")
    assert (report.filled_bars, report.restarts) == (5, 1)


def test_features_and_ingestion_give_the_same_candles_one_digest(candles: pd.DataFrame) -> None:
    pages = {
        str(unique_id): from_table(pa.Table.from_pandas(rows, preserve_index=False))
        for unique_id, rows in candles.groupby("unique_id")
    }
    assert data_digest(candles) == candle_digest(pages)


def test_the_data_digest_follows_content_and_not_order(candles: pd.DataFrame) -> None:
    assert data_digest(candles.sample(frac=1.0, random_state=1)) == data_digest(candles)
    changed = candles.copy()
    changed.loc[7, "volume"] += 1.0
    assert data_digest(changed) != data_digest(candles)


def test_a_history_too_short_is_refused_and_writes_nothing(candles: pd.DataFrame, tmp_path: Path) -> None:
    candles.groupby("unique_id").head(300).to_parquet(tmp_path / "candles.parquet", index=False)
    with pytest.raises(NoFeatureRowsError, match="720"):
        build_features(tmp_path / "candles.parquet", tmp_path / "features.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candles.parquet"]


def test_bad_candles_leave_an_older_file_alone(candles: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "features.parquet").write_bytes(b"older")
    candles.assign(close=-1.0).to_parquet(tmp_path / "candles.parquet", index=False)
    with pytest.raises(CandleError):
        build_features(tmp_path / "candles.parquet", tmp_path / "features.parquet")
    assert (tmp_path / "features.parquet").read_bytes() == b"older"
