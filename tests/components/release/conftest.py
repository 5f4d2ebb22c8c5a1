import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from runtime.promotion_log.sql_log import SqlPromotionLog
from runtime.registry import ModelRegistry, open_registry
from runtime.signature import window_signature

HORIZON_BARS = 3


@pytest.fixture
def name() -> str:
    """A registered model of this test alone."""
    return f"tiny-forecast-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def registry(mlflow_server: str) -> ModelRegistry:
    return open_registry(mlflow_server)


@pytest.fixture(scope="session")
def run_id(mlflow_server: str) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow_server)
    created: str = client.create_run(client.create_experiment(f"release-{uuid.uuid4().hex[:8]}")).info.run_id
    return created


@pytest.fixture
def log_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'release.db'}"


@pytest.fixture
def log(log_url: str) -> Iterator[SqlPromotionLog]:
    opened = SqlPromotionLog(log_url)
    yield opened
    opened.close()


@pytest.fixture
def write_candidate(tmp_path: Path, tiny_forecaster: Callable[..., bytes]) -> Callable[..., Path]:
    """A function that leaves a candidate folder as a family's training does: `write_candidate(name, **fields)`."""

    def write(folder: str = "candidate", *, model: bytes | None = None, **fields: object) -> Path:
        path = tmp_path / folder
        path.mkdir()
        described: dict[str, object] = {
            "network": "lstm",
            "signature": window_signature(4, 2, HORIZON_BARS, 3).model_dump(mode="json"),
            "market": "usdm-perp",
            "tags": ["market"],
            "card": {"does": "It predicts 0.1, 0.5, 0.9.", "data": {"symbols": "BTC, ETH"}, "limits": "No Sundays."},
            "feature_names": ["a", "b"],
            "feature_digest": "f" * 12,
            "data_digest": "d" * 64,
            "parameters": {"width": 8, "dropout": 0.1},
            "metrics": {"validation_pinball": 0.125},
            "seconds": 1.5,
        }
        statistics = {name: {"mean": 0.5, "std": 1.0, "p001": -3.0, "p999": 3.0} for name in ("a", "b")}
        (path / "model.onnx").write_bytes(model or tiny_forecaster())
        (path / "input_statistics.json").write_text(json.dumps(statistics))
        (path / "calibration.json").write_text("{}")
        (path / "candidate.json").write_text(json.dumps({**described, **fields}))
        return path

    return write


@pytest.fixture
def report_html(tmp_path: Path) -> Path:
    path = tmp_path / "evaluation.html"
    path.write_text("<!doctype html><title>evaluation</title>")
    return path


@pytest.fixture
def write_losses(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a losses table: `write_losses({name: [bars, horizons] losses of each series})`."""

    def write(entrants: Mapping[str, Sequence[np.ndarray]], *, file: str = "losses.parquet") -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        start = datetime(2026, 1, 1, tzinfo=UTC)
        rows: dict[str, list[object]] = {key: [] for key in ("candidate", "unique_id", "ds", "horizon", "loss")}
        for entrant, series in entrants.items():
            for number, losses in enumerate(series):
                for (bar, horizon), loss in np.ndenumerate(losses):
                    rows["candidate"].append(entrant)
                    rows["unique_id"].append(f"series-{number}")
                    rows["ds"].append(start + timedelta(hours=bar))
                    rows["horizon"].append(horizon + 1)
                    rows["loss"].append(float(loss))
        types = (pa.string(), pa.string(), pa.timestamp("us", tz="UTC"), pa.int32(), pa.float64())
        table = pa.table({key: pa.array(values, kind) for (key, values), kind in zip(rows.items(), types, strict=True)})
        pq.write_table(table, tmp_path / file)
        return tmp_path / file

    return write
