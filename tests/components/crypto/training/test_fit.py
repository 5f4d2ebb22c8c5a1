import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from components.crypto.baselines.unconditional import fit_unconditional
from components.crypto.candidate import read_candidate
from components.crypto.dataset import load_dataset
from components.crypto.export import Graph
from components.crypto.metrics import pinball_losses
from components.crypto.training import (
    TrainingError,
    TrainingProgress,
    TrainingSettings,
    fit_candidate,
    training_settings,
)
from feature_repo.crypto import FEATURE_NAMES, feature_digest
from runtime.object_store import ObjectStore

HORIZON_BARS = 6


def test_a_candidate_folder_holds_a_model_that_beats_unconditional_quantiles(
    features: Path, store: ObjectStore, tiny: TrainingSettings, tmp_path: Path
) -> None:
    lines: list[TrainingProgress] = []
    folder = tmp_path / "candidate"
    report = fit_candidate(
        features,
        folder,
        network=tiny.network.network,
        horizon_bars=HORIZON_BARS,
        settings=tiny,
        store=store,
        progress=lines.append,
    )

    assert read_candidate(folder) == report
    assert report.network == tiny.network.network
    assert report.symbols == tuple(f"binance:usdm-perp:{name}-USDT" for name in ("AAA", "BBB", "CCC"))
    assert (report.window_bars, report.horizon_bars) == (24, HORIZON_BARS)
    assert report.feature_digest == feature_digest()
    assert report.parameters["learning_rate"] == tiny.learning_rate
    assert report.metrics["stop_loss"] <= report.metrics["stop_loss_start"] * (1 + tiny.stop_tolerance)

    dataset = load_dataset(features, HORIZON_BARS)
    split = dataset.split()
    rows = dataset.rows(split.gate, report.window_bars)
    quantiles = Graph((folder / "model.onnx").read_bytes())(dataset.windows(rows, report.window_bars))
    naive = fit_unconditional(dataset, dataset.rows(split.train)).predict(dataset, rows)
    targets = dataset.targets[rows]
    own, unconditional = (pinball_losses(targets, table).mean(axis=(0, 2)) for table in (quantiles, naive))
    assert (own / unconditional).mean() < 0.975

    statistics = json.loads((folder / "input_statistics.json").read_text())
    assert tuple(statistics) == tuple(sorted(FEATURE_NAMES))
    corrections = json.loads((folder / "calibration.json").read_text())["corrections"]
    assert [len(column) for column in corrections.values()] == [HORIZON_BARS] * 3

    with (folder / "learning_curve.csv").open() as stream:
        curve = list(csv.DictReader(stream))
    assert [int(line["epoch"]) for line in curve] == list(range(len(lines)))
    assert float(curve[-1]["stop_loss"]) == lines[-1].report.stop_loss
    assert "epoch 1/4" in str(lines[0])
    assert "to go" in str(lines[0])


def test_the_gate_slice_has_no_influence_on_the_model(
    features: Path, store: ObjectStore, tiny_lstm: TrainingSettings, tmp_path: Path
) -> None:
    import pandas as pd

    table = pd.read_parquet(features)
    dataset = load_dataset(features, HORIZON_BARS)
    split = dataset.split()
    later = table["ds"] >= pd.Timestamp(split.gate.start)
    changed = table.copy()
    changed.loc[later, list(FEATURE_NAMES[:20])] += 3.0
    changed.loc[later, "close"] *= 2.0
    other = tmp_path / "changed.parquet"
    changed.to_parquet(other, index=False, coerce_timestamps="us")

    short = replace(tiny_lstm, max_epochs=1)
    for name, path in (("a", features), ("b", other)):
        fit_candidate(path, tmp_path / name, network="lstm", horizon_bars=HORIZON_BARS, settings=short, store=store)
    windows = dataset.windows(dataset.rows(split.stop, 24)[:50], 24)
    first, second = (Graph((tmp_path / name / "model.onnx").read_bytes())(windows) for name in ("a", "b"))
    np.testing.assert_array_equal(first, second)


def test_an_unknown_network_or_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(TrainingError, match="no network 'gru'; choose one of lstm, transformer"):
        training_settings("gru")
    with pytest.raises(TrainingError, match="no training profile 'huge'; choose one of quick, full"):
        training_settings("lstm", "huge")


@pytest.mark.parametrize("network", ["lstm", "transformer"])
@pytest.mark.parametrize("profile", ["quick", "full"])
def test_every_profile_is_described_by_plain_numbers(network: str, profile: str) -> None:
    settings = training_settings(network, profile, seed=7)
    parameters = settings.parameters()
    assert (parameters["network"], parameters["seed"]) == (network, 7)
    assert len(parameters) == len(asdict(settings.network)) + len(asdict(settings)) - 1
    assert json.loads(json.dumps(parameters)) == parameters
