import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.release.candidate import content_digest, make_bundle, read_candidate
from components.release.errors import CandidateFolderError
from runtime.bundle import BundleError, read_bundle
from runtime.revision import code_digest, code_revision
from runtime.signature import window_signature

WriteCandidate = Callable[..., Path]


def _bundle(candidate: Path, output: Path, report: Path, **more: object) -> Path:
    name = "tiny-forecast-1h"
    return make_bundle(candidate, output, family="tiny", name=name, report_html=report, **more).path  # type: ignore[arg-type]


def test_a_candidate_becomes_a_bundle_that_says_where_it_comes_from(
    write_candidate: WriteCandidate, report_html: Path, tmp_path: Path
) -> None:
    candidate = write_candidate()
    bundle = read_bundle(_bundle(candidate, tmp_path / "out", report_html, evaluation={"relative_pinball": 0.96}))
    manifest = bundle.manifest
    assert set(manifest.files) == {
        "model.onnx",
        "input_statistics.json",
        "calibration.json",
        "model_card.md",
        "report.html",
    }
    assert (bundle.path / "model.onnx").read_bytes() == (candidate / "model.onnx").read_bytes()
    assert (manifest.family, manifest.name, manifest.network) == ("tiny", "tiny-forecast-1h", "lstm")
    assert (manifest.data_digest, manifest.feature_digest) == ("d" * 64, "f" * 12)
    extra = manifest.model_extra or {}
    assert manifest.code_revision == code_revision()
    assert extra["code_digest"] == code_digest()
    assert extra["environment"]["python"].startswith("3.")
    assert extra["environment"]["onnxruntime"]
    assert extra["evaluation"] == {"relative_pinball": 0.96}
    assert extra["parameters"] == {"width": 8, "dropout": 0.1}
    assert extra["market"] == "usdm-perp"
    assert not {"seconds", "card"} & extra.keys()
    assert manifest.signature == window_signature(4, 2, 3, 3)


def test_a_family_brings_files_of_its_own_and_fields_of_its_own(
    write_candidate: WriteCandidate, report_html: Path, tmp_path: Path
) -> None:
    own = {"files": ["native/model.ubj", "thresholds.json"], "costs": {"review_minor": 300}, "label_delay_seconds": 60}
    candidate = write_candidate(**own)
    (candidate / "native").mkdir()
    (candidate / "native" / "model.ubj").write_bytes(b"trees")
    with pytest.raises(CandidateFolderError, match=r"lacks thresholds\.json"):
        _bundle(candidate, tmp_path / "out", report_html)
    (candidate / "thresholds.json").write_text("{}")
    bundle = read_bundle(_bundle(candidate, tmp_path / "out", report_html))
    assert (bundle.path / "native" / "model.ubj").read_bytes() == b"trees"
    assert bundle.manifest.files.keys() >= {"native/model.ubj", "thresholds.json", "model.onnx"}
    assert (bundle.manifest.model_extra or {})["costs"] == {"review_minor": 300}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"files": ["../secret"]}, r"outside its folder: \.\./secret"),
        ({"files": ["/etc/hostname"]}, "outside its folder: /etc/hostname"),
        ({"tags": ["detector"]}, "wants tags of detector"),
        ({"tags": ["costs"], "costs": {"review": 1}}, "wants tags of costs"),
        ({"signature": {"inputs": [], "outputs": []}}, "signature.inputs"),
    ],
)
def test_a_description_that_cannot_be_kept_is_refused_saying_why(
    write_candidate: WriteCandidate, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(CandidateFolderError, match=said):
        read_candidate(write_candidate(**fields))


def test_the_model_card_tells_a_person_what_matters(
    write_candidate: WriteCandidate, report_html: Path, tmp_path: Path
) -> None:
    folder = _bundle(
        write_candidate(), tmp_path / "out", report_html, evaluation={"coverage_95": 0.9475}, limits="Not for Mondays."
    )
    card = (folder / "model_card.md").read_text()
    for said in (
        "tiny-forecast-1h: lstm",
        "- symbols: BTC, ETH",
        "It predicts 0.1, 0.5, 0.9.",
        "`window` [4, 2]; out: `quantiles` [3, 3]",
        "No Sundays.",
        "| coverage_95 | 0.9475 |",
        "ddd",
        "Mondays",
    ):
        assert said in card


def test_a_baseline_is_labelled_as_such(write_candidate: WriteCandidate, report_html: Path, tmp_path: Path) -> None:
    folder = _bundle(write_candidate(network="har", baseline=True), tmp_path / "out", report_html)
    assert "**A baseline**" in (folder / "model_card.md").read_text()
    assert (read_bundle(folder).manifest.model_extra or {})["baseline"] is True


def test_the_same_candidate_sealed_twice_has_the_same_content(
    write_candidate: WriteCandidate, report_html: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = write_candidate()
    first = read_bundle(_bundle(candidate, tmp_path / "one", report_html))
    monkeypatch.setattr("components.release.candidate.code_revision", lambda: "another")
    second = read_bundle(_bundle(candidate, tmp_path / "two", report_html))
    other = read_bundle(_bundle(write_candidate("other", metrics={"x": 1.0}), tmp_path / "three", report_html))
    assert first.digest != second.digest
    assert content_digest(first) == content_digest(second) != content_digest(other)


@pytest.mark.parametrize("missing", ["model.onnx", "candidate.json", "calibration.json", "input_statistics.json"])
def test_an_unfinished_candidate_is_refused_naming_what_it_lacks(
    write_candidate: WriteCandidate, report_html: Path, tmp_path: Path, missing: str
) -> None:
    candidate = write_candidate()
    (candidate / missing).unlink()
    with pytest.raises(CandidateFolderError, match=missing):
        _bundle(candidate, tmp_path / "out", report_html)
    assert not (tmp_path / "out").exists()


def test_a_description_without_a_field_is_refused(write_candidate: WriteCandidate) -> None:
    candidate = write_candidate()
    described = json.loads((candidate / "candidate.json").read_text())
    del described["data_digest"]
    (candidate / "candidate.json").write_text(json.dumps(described))
    with pytest.raises(CandidateFolderError, match="data_digest"):
        read_candidate(candidate)


def test_a_bundle_is_not_written_over_another_nor_without_its_report(
    write_candidate: WriteCandidate, report_html: Path, tmp_path: Path
) -> None:
    candidate = write_candidate()
    _bundle(candidate, tmp_path / "out", report_html)
    with pytest.raises(BundleError, match="written once"):
        _bundle(candidate, tmp_path / "out", report_html)
    with pytest.raises(CandidateFolderError, match="no evaluation report"):
        _bundle(candidate, tmp_path / "new", tmp_path / "absent.html")
