"""Small tables of every detector whose frauds can be told from a few of their features."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.fraud.detectors import DETECTORS
from components.fraud.encoded_table import DIGEST_KEY, write_encoded
from components.fraud.training.attack_classes import ATTACKS

ROWS = 2400
DAYS = 160


def _world(width: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features that are not negative [N, F], frauds [N] and which of four kinds they are [N]."""
    random = np.random.default_rng(seed)
    features = np.exp(random.normal(size=(ROWS, width))).astype(np.float32)
    odds = 2.5 * np.log(features[:, 0]) + 1.5 * np.log(features[:, 5]) - 3.0 + random.normal(size=ROWS)
    return features, odds > 0, np.digitize(features[:, 5], [0.7, 1.2, 2.0])


def _write_card(path: Path, seed: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    detector = DETECTORS["card"]
    features, fraud, _ = _world(len(detector.feature_names), seed)
    occurred = pd.date_range(datetime(2026, 1, 1, tzinfo=UTC), periods=ROWS, freq=pd.Timedelta(days=DAYS) / ROWS)
    frame = pd.DataFrame({"occurred_at": occurred.astype("datetime64[us, UTC]")})
    frame["amount_minor"] = (100 * features[:, 1]).astype(np.int64)
    frame["fraud"] = fraud.astype(np.int8)
    columns = pd.DataFrame(features, columns=list(detector.feature_names))
    table = pa.Table.from_pandas(pd.concat([frame, columns], axis=1), preserve_index=False)
    pq.write_table(table.replace_schema_metadata({DIGEST_KEY: detector.feature_digest.encode()}), path)
    return path


def _write_keyed(path: Path, name: str, seed: int) -> Path:
    detector = DETECTORS[name]
    features, fraud, kind = _world(len(detector.feature_names), seed)
    ids = [f"r{row}" for row in range(ROWS)]
    keys = {"row_id": ids, "group": ids}
    if name == "network":
        keys["attack_class"] = np.where(fraud, np.array(ATTACKS)[kind], "normal").tolist()
        keys["part"] = ["train"] * ROWS
    else:
        features[np.random.default_rng(seed).random(ROWS) < 0.1, -5:] = np.nan
    write_encoded(detector, keys, features, fraud, path)
    return path


@pytest.fixture(scope="session")
def write_table(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`write_table(detector, seed=0)`: a training table of a detector."""

    def write(name: str, seed: int = 0) -> Path:
        path = tmp_path_factory.mktemp("tables") / f"{name}.parquet"
        return _write_card(path, seed) if name == "card" else _write_keyed(path, name, seed)

    return write
