from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.crypto.features import OtherDefinitionsError, build_features, read_features
from components.crypto.training_set import TrainingSetError, read_training_features
from feature_repo import crypto

MakeTables = Callable[..., object]


def test_the_training_set_equals_the_published_rows_bit_for_bit(
    state: Path, make_tables: MakeTables, tmp_path: Path
) -> None:
    tables = make_tables()
    report = read_training_features(tables.candles, tables.features, tmp_path / "out" / "training.parquet")
    pd.testing.assert_frame_equal(read_features(tmp_path / "out" / "training.parquet"), tables.rows, check_exact=True)
    assert (report.rows, report.feature_digest) == (len(tables.rows), crypto.feature_digest())


def test_holes_short_and_long_come_through_alike(state: Path, make_tables: MakeTables, tmp_path: Path) -> None:
    candles = pd.read_parquet(make_tables(bars=1000).candles).drop(index=[*range(5, 40), *range(900, 903), 1990])
    candles.to_parquet(tmp_path / "candles.parquet", index=False)
    report = build_features(tmp_path / "candles.parquet", tmp_path / "features.parquet")
    assert (report.filled_bars, report.restarts) == (4, 1)
    read_training_features(tmp_path / "candles.parquet", tmp_path / "features.parquet", tmp_path / "training.parquet")
    expected = pd.read_parquet(tmp_path / "features.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "training.parquet"), expected, check_exact=True)


def test_features_of_other_candles_are_refused_and_write_nothing(
    state: Path, make_tables: MakeTables, tmp_path: Path
) -> None:
    with pytest.raises(TrainingSetError, match="other candles"):
        read_training_features(make_tables(seed=41).candles, make_tables().features, tmp_path / "training.parquet")
    with pytest.raises(TrainingSetError, match="empty"):
        read_training_features(make_tables(bars=921).candles, make_tables().features, tmp_path / "training.parquet")
    assert not (tmp_path / "training.parquet").exists()


def test_features_of_other_definitions_are_refused(
    state: Path, make_tables: MakeTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = make_tables()
    older = crypto.feature_digest()
    monkeypatch.setattr(crypto, "DEFINITION_VERSION", crypto.DEFINITION_VERSION + 1)
    with pytest.raises(OtherDefinitionsError, match=older):
        read_training_features(tables.candles, tables.features, tmp_path / "training.parquet")
