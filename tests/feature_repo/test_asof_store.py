"""The as-of join against Feast's own join, on the same questions."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
import yaml
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Float64

from feature_repo.store import open_store, profile_file

START = pd.Timestamp("2024-01-01", tz="UTC")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Two series with holes; the second begins later."""
    rng = np.random.default_rng(51)
    hours = np.concatenate([rng.choice(400, 300, replace=False), 100 + rng.choice(300, 200, replace=False)])
    return pd.DataFrame(
        {
            "unique_id": ["a"] * 300 + ["b"] * 200,
            "as_of": (START + pd.to_timedelta(hours, unit="h")).as_unit("us"),
            "close": rng.normal(size=500),
            "x": rng.normal(size=500).astype("float32"),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def end_the_shared_connection() -> Iterator[None]:
    """Feast's own join uses one connection of the process, which complains if it outlives the interpreter."""
    yield
    ibis.get_backend().disconnect()
    ibis.options.default_backend = None


def questions(rows: pd.DataFrame) -> pd.DataFrame:
    """Moments on rows, between rows, before the first, after the last; unknown series; doubled questions."""
    rng = np.random.default_rng(52)
    minutes = np.concatenate([rng.integers(-3000, 30_000, 500), 60 * rng.integers(0, 400, 500)])
    asked = pd.DataFrame(
        {
            "unique_id": rng.choice(["a", "b", "c"], 1000),
            "event_timestamp": (START + pd.to_timedelta(minutes, unit="min")).as_unit("us"),
            "label": rng.normal(size=1000),
        }
    )
    return pd.concat([asked, asked.head(20)], ignore_index=True)


def store_of(
    kind: str, folder: Path, rows: pd.DataFrame, ttl: timedelta, monkeypatch: pytest.MonkeyPatch
) -> FeatureStore:
    content = yaml.safe_load(profile_file("local").read_text())
    content["offline_store"]["type"] = kind
    content["registry"]["path"] = f"sqlite:///{folder}/{kind}.db"
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(folder / "profile.yaml"))
    rows.to_parquet(folder / "rows.parquet", index=False)
    store = open_store()
    series = Entity(name="series", join_keys=["unique_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="rows",
        entities=[series],
        ttl=ttl,
        schema=[Field(name="close", dtype=Float64), Field(name="x", dtype=Float32)],
        source=FileSource(path=str(folder / "rows.parquet"), timestamp_field="as_of"),
        online=False,
    )
    store.apply([series, view, FeatureService(name="both", features=[view])])
    return store


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=3599), timedelta(hours=1), timedelta(days=2)])
def test_both_joins_give_the_same_rows(
    state: Path, rows: pd.DataFrame, ttl: timedelta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = questions(rows)
    answers = []
    for kind in ("duckdb", "feature_repo.asof_store.AsOfDuckDBOfflineStore"):
        store = store_of(kind, tmp_path, rows, ttl, monkeypatch)
        job = store.get_historical_features(entity_df=asked.copy(), features=store.get_feature_service("both"))
        answers.append(job.to_df().sort_values(["unique_id", "event_timestamp", "label"], ignore_index=True))
    pd.testing.assert_frame_equal(answers[0], answers[1], check_dtype=False)
    assert len(answers[1]) == len(asked)
    assert answers[1]["x"].dtype == np.float32
    assert 0 < answers[1]["close"].isna().sum() < len(asked)


def test_questions_that_are_not_plain_go_the_usual_way(
    state: Path, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = questions(rows)
    store = store_of("feature_repo.asof_store.AsOfDuckDBOfflineStore", tmp_path, rows, timedelta(hours=1), monkeypatch)
    found = store.get_historical_features(entity_df=asked, features=["rows:close"], full_feature_names=True).to_df()
    assert "rows__close" in found.columns
