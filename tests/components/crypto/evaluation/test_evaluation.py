import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.crypto.baselines.har import Har
from components.crypto.dataset import Dataset
from components.crypto.evaluation import EvaluationError, EvaluationReport, evaluate_candidates
from components.crypto.evaluation.rows import UNBIASED_STRIDES, scored_rows
from components.crypto.metrics import pinball_losses

FAST = ("unconditional", "ewma")


@pytest.fixture(scope="module")
def report(
    features: Path, har: Path, overconfident: Path, tmp_path_factory: pytest.TempPathFactory
) -> EvaluationReport:
    output = tmp_path_factory.mktemp("evaluation")
    return evaluate_candidates(features, {"har": har, "lstm": overconfident}, output)


def test_the_better_candidate_wins_and_beats_unconditional_quantiles(report: EvaluationReport) -> None:
    assert report.winner == "har"
    assert report.metrics["har/relative_pinball_high"] < 1.0
    assert report.metrics["lstm/relative_pinball"] > report.metrics["har/relative_pinball"]
    assert report.metrics["lstm/coverage_80"] < 0.6 < report.metrics["har/coverage_80"]


def test_the_reference_is_one_and_every_mean_lies_in_its_interval(report: EvaluationReport) -> None:
    assert report.metrics["unconditional/relative_pinball"] == pytest.approx(1.0)
    names = [name for name in report.metrics if f"{name}_low" in report.metrics]
    assert len(names) == 5 * 11
    for name in names:
        low, high = report.metrics[f"{name}_low"], report.metrics[f"{name}_high"]
        assert low <= report.metrics[name] + 1e-12
        assert report.metrics[name] <= high + 1e-12
    assert report.metrics["har/pinball_low"] < report.metrics["har/pinball_high"]


def test_every_contender_is_scored_on_the_same_rows(report: EvaluationReport) -> None:
    table = pq.read_table(report.losses).to_pandas()
    assert list(table.columns) == ["candidate", "unique_id", "ds", "horizon", "loss"]
    assert set(table["candidate"]) == {"har", "lstm", "unconditional", "ewma", "garch"}
    wide = table.pivot_table(index=["unique_id", "ds", "horizon"], columns="candidate", values="loss")
    assert wide.notna().all().all()
    assert len(wide) * 5 == len(table) == 5 * 24 * report.rows


def test_losses_are_those_of_the_quantiles_and_of_the_gate_slice_only(
    report: EvaluationReport, dataset: Dataset, har: Path
) -> None:
    import onnxruntime

    rows = dataset.rows(dataset.split().gate, 168)
    session = onnxruntime.InferenceSession((har / "model.onnx").read_bytes())
    quantiles = session.run(["quantiles"], {"window": dataset.windows(rows, 1)})[0]
    expected = pinball_losses(dataset.targets[rows], quantiles).mean(axis=2)
    table = pq.read_table(report.losses, filters=[("candidate", "=", "har")]).to_pandas()
    np.testing.assert_allclose(table["loss"].to_numpy(), expected.ravel(), rtol=1e-6)
    gate = dataset.split().gate
    assert table["ds"].min() >= gate.start
    assert table["ds"].max() < gate.end


def test_metrics_are_flat_numbers_that_match_the_report(report: EvaluationReport) -> None:
    written = json.loads(report.metrics_path.read_text())
    assert written == report.metrics
    assert all(re.fullmatch(r"[\w/]+", name) and isinstance(value, float) for name, value in written.items())
    assert {"har/relative_pinball_BTC_1", "har/relative_pinball_ETH_24"} <= written.keys()


def test_the_page_needs_nothing_but_itself_and_its_pictures_are_whole(report: EvaluationReport) -> None:
    page = report.report.read_text()
    assert "<strong>har</strong> is the best candidate" in page
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="([a-z]+):', page)) == {"data"}
    import base64

    pictures = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    assert len(pictures) == 7
    for picture in pictures:
        assert ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg")


def test_another_slice_can_be_scored_in_full(features: Path, dataset: Dataset, har: Path, tmp_path: Path) -> None:
    found = evaluate_candidates(
        features, {"har": har}, tmp_path / "out", slice="stop", profile="full", baselines=("garch",), stride_bars=5
    )
    table = pq.read_table(found.losses).to_pandas()
    stop = dataset.split().stop
    assert set(table["candidate"]) == {"har", "unconditional", "garch"}
    assert stop.start <= table["ds"].min()
    assert table["ds"].max() < stop.end
    assert set(table["ds"].sort_values().drop_duplicates().diff().dropna().dt.total_seconds()) == {5 * 3600.0}


def test_a_champion_alike_is_scored_on_the_same_rows(
    features: Path, har: Path, overconfident: Path, champion: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = champion()
    found = evaluate_candidates(features, {"lstm": overconfident}, tmp_path / "out", champion=bundle, baselines=FAST)
    assert found.champion_scored
    assert found.champion_reason == ""
    assert found.winner == "lstm"
    assert found.metrics["champion/pinball"] < found.metrics["lstm/pinball"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"feature_digest": "0123456789ab"}, "feature digest is 0123456789ab"),
        ({"market": "spot"}, "market"),
        ({"horizon_bars": 12}, "horizon is 12"),
        ({"window_bars": 500}, "window is 500 bars"),
    ],
)
def test_a_champion_of_another_kind_is_reported_and_not_scored(
    features: Path,
    overconfident: Path,
    champion: Callable[..., Path],
    tmp_path: Path,
    change: dict[str, object],
    reason: str,
) -> None:
    bundle = champion(**change)
    out = tmp_path / "out"
    found = evaluate_candidates(features, {"lstm": overconfident}, out, champion=bundle, baselines=FAST[:1])
    assert not found.champion_scored
    assert reason in found.champion_reason
    assert "champion/pinball" not in found.metrics
    assert "could not be scored" in found.report.read_text()


def test_quantiles_that_cross_may_not_be_served(
    features: Path, fitted: Har, variant: Callable[..., Path], tmp_path: Path
) -> None:
    crossing = variant("crossing", Har(fitted.coefficients, -fitted.shape))
    with pytest.raises(EvaluationError, match="cross"):
        evaluate_candidates(features, {"lstm": crossing}, tmp_path / "out", baselines=FAST[:1])
    assert not (tmp_path / "out").exists()


def test_quantiles_that_are_not_finite_may_not_be_served(
    features: Path, fitted: Har, variant: Callable[..., Path], tmp_path: Path
) -> None:
    overflowing = fitted.coefficients.copy()
    overflowing[0] += 1000.0
    broken = variant("broken", Har(overflowing, fitted.shape))
    with pytest.raises(EvaluationError, match="not finite"):
        evaluate_candidates(features, {"lstm": broken}, tmp_path / "out", baselines=FAST[:1])


@pytest.mark.parametrize(
    ("candidates", "baselines", "message"),
    [
        ((), FAST, "no candidate"),
        (("champion",), FAST, "no name for a candidate"),
        (("ewma",), FAST, "no name for a candidate"),
        (("lstm",), ("arima",), "no baseline 'arima'; choose from unconditional"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    features: Path,
    har: Path,
    tmp_path: Path,
    candidates: tuple[str, ...],
    baselines: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate_candidates(features, dict.fromkeys(candidates, har), tmp_path / "out", baselines=baselines)


def test_a_candidate_trained_on_other_features_is_refused(features: Path, har: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in har.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    described = json.loads((other / "candidate.json").read_text())
    (other / "candidate.json").write_text(json.dumps(described | {"feature_digest": "000000000000"}))
    with pytest.raises(EvaluationError, match="does not fit the features: feature digest is 000000000000"):
        evaluate_candidates(features, {"lstm": other}, tmp_path / "out")


def test_fewer_rows_still_hold_every_hour_of_the_week(dataset: Dataset) -> None:
    gate = dataset.split().gate
    whole = scored_rows(dataset, gate, 168)
    some = scored_rows(dataset, gate, 168, max_rows=len(whole.rows) // 3)
    assert some.stride_bars in UNBIASED_STRIDES
    assert 0 < len(some.rows) <= len(whole.rows) // 3
    assert set(some.rows) <= set(whole.rows)
    hours = some.ds.astype("datetime64[h]").astype(int) % 24
    assert len(np.unique(hours)) > 12
    assert np.gcd.reduce([some.stride_bars, 168]) == 1


def test_resampled_blocks_are_at_least_one_horizon_long_and_shared_by_all_coins(dataset: Dataset) -> None:
    rows = scored_rows(dataset, dataset.split().gate, 168)
    assert rows.block_bars >= dataset.horizon_bars
    for moment in np.unique(rows.ds)[::50]:
        assert len(np.unique(rows.blocks[rows.ds == moment])) == 1
