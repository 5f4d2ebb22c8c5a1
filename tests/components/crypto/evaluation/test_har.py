import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from components.crypto.baselines.har import Har
from components.crypto.calibration import fit_calibration
from components.crypto.candidate import CandidateError, input_statistics, read_candidate, read_forecaster
from components.crypto.dataset import Dataset
from components.crypto.evaluation import evaluate_candidates
from components.crypto.har import har_onnx
from components.crypto.metrics import covered
from components.crypto.splits import Interval
from components.release.comparison import loss_name
from feature_repo.crypto import FEATURE_NAMES, QUANTILE_LEVELS, feature_digest
from runtime.bundle import read_bundle


def answers(model: bytes, windows: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model).run(["quantiles"], {"window": windows})[0]


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_graph_computes_what_the_fitted_model_does(dataset: Dataset, fitted: Har, batch: int) -> None:
    rows = dataset.rows(dataset.split().gate)[:batch]
    expected = fitted.predict(dataset, rows)
    found = answers(har_onnx(fitted, dataset.feature_names), dataset.windows(rows, 1))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-8)


def test_weekends_and_every_hour_reach_the_graph(dataset: Dataset, fitted: Har) -> None:
    rows = dataset.rows(dataset.split().gate)[:168]
    hours = dataset.features[rows][:, [dataset.column("hour"), dataset.column("weekday")]]
    assert len(np.unique(hours, axis=0)) == 168
    found = answers(har_onnx(fitted, dataset.feature_names), dataset.windows(rows, 1))
    np.testing.assert_allclose(found, fitted.predict(dataset, rows), rtol=2e-4, atol=1e-8)


def test_the_candidate_folder_says_what_it_is(har: Path, features: Path) -> None:
    report = read_candidate(har)
    assert (report.network, report.baseline) == ("har", True)
    assert (report.symbols, report.market, report.timeframe) == (
        ("binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"),
        "usdm-perp",
        "1h",
    )
    assert (report.horizon_bars, report.window_bars) == (24, 1)
    assert report.quantile_levels == QUANTILE_LEVELS
    assert report.feature_names == FEATURE_NAMES
    assert report.feature_digest == feature_digest()
    assert {p.name for p in har.iterdir()} == {
        "model.onnx",
        "input_statistics.json",
        "calibration.json",
        "candidate.json",
    }


def test_the_conformal_corrections_stand_inside_the_graph(har: Path, dataset: Dataset, fitted: Har) -> None:
    rows = dataset.rows(dataset.split().calibrate)
    plain = fitted.predict(dataset, rows)
    corrected = fit_calibration(plain, dataset.targets[rows]).apply(plain)
    found = answers((har / "model.onnx").read_bytes(), dataset.windows(rows, 1))
    np.testing.assert_allclose(found, corrected, rtol=1e-3, atol=1e-7)
    assert not np.allclose(found, plain, rtol=1e-3)
    for percent in (50, 80, 95):
        assert covered(dataset.targets[rows], found, percent).mean() == pytest.approx(percent / 100, abs=0.005)


def test_input_statistics_are_those_of_the_rows_that_were_fitted_on(har: Path, dataset: Dataset) -> None:
    written = json.loads((har / "input_statistics.json").read_text())
    split = dataset.split()
    rows = dataset.rows(Interval(split.train.start, split.stop.end))
    assert written == input_statistics(dataset, rows)
    values = dataset.features[rows, dataset.column("rsi_14")].astype(np.float64)
    assert written["rsi_14"]["mean"] == pytest.approx(values.mean())
    assert written["rsi_14"]["p999"] == pytest.approx(np.quantile(values, 0.999))
    assert list(written) == sorted(FEATURE_NAMES)


def test_a_folder_without_its_description_is_unfinished(tmp_path: Path, har: Path) -> None:
    (tmp_path / "model.onnx").write_bytes((har / "model.onnx").read_bytes())
    with pytest.raises(CandidateError, match="unfinished"):
        read_candidate(tmp_path)
    (tmp_path / "candidate.json").write_text("{}")
    with pytest.raises(CandidateError, match="not a candidate's description"):
        read_candidate(tmp_path)


def test_a_candidate_and_a_bundle_describe_a_forecaster_alike(har: Path, champion: Callable[..., Path]) -> None:
    of_bundle = read_forecaster(champion()).model_dump()
    of_candidate = read_forecaster(har).model_dump()
    assert of_bundle == {name: of_candidate[name] for name in of_bundle}
    assert of_bundle["window_bars"] == 1


def test_a_bundle_sealed_before_signatures_is_compared_all_the_same(
    features: Path, har: Path, champion: Callable[..., Path], tmp_path: Path
) -> None:
    folder = champion()
    manifest = json.loads((folder / "bundle.json").read_text())
    for field in ("signature", "tags", "card"):
        del manifest[field]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert read_bundle(folder).manifest.signature == read_candidate(har).signature
    found = evaluate_candidates(features, {"har": har}, tmp_path / "out", champion=folder, baselines=[])
    assert found.champion_scored
    assert found.metrics["champion/pinball"] == found.metrics["har/pinball"]
    assert loss_name(found.losses) == "pinball"


def test_one_row_is_answered_in_well_under_a_millisecond(har: Path, dataset: Dataset) -> None:
    session = onnxruntime.InferenceSession((har / "model.onnx").read_bytes())
    window = dataset.windows(dataset.rows(dataset.split().gate)[:1], 1)
    session.run(["quantiles"], {"window": window})
    started = time.process_time()
    for _ in range(200):
        session.run(["quantiles"], {"window": window})
    assert (time.process_time() - started) / 200 < 1e-3
