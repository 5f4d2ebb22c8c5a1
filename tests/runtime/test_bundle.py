import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.bundle import BundleError, read_bundle, write_bundle
from runtime.signature import window_signature

WriteBundle = Callable[..., Path]


def _edit(folder: Path, **changes: object) -> Path:
    path = folder / "bundle.json"
    manifest = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in manifest.items() if value is not None}))
    return folder


def test_what_a_family_says_of_its_own_comes_back_beside_the_core(write_tiny_bundle: WriteBundle) -> None:
    manifest = read_bundle(write_tiny_bundle(costs={"review_minor": 300})).manifest
    assert manifest.signature == window_signature(4, 2, 3, 3)
    assert (manifest.model_extra or {})["costs"] == {"review_minor": 300}
    assert "timeframe" in (manifest.model_extra or {})


def test_a_forecaster_sealed_before_there_were_signatures_is_read_with_one(write_tiny_bundle: WriteBundle) -> None:
    folder = _edit(write_tiny_bundle(), signature=None)
    before = (folder / "bundle.json").read_bytes()
    assert read_bundle(folder).manifest.signature == window_signature(4, 2, 3, 3)
    assert (folder / "bundle.json").read_bytes() == before


@pytest.mark.parametrize("lost", ["window_bars", "horizon_bars", "quantile_levels"])
def test_a_manifest_that_tells_no_shapes_at_all_is_refused(write_tiny_bundle: WriteBundle, lost: str) -> None:
    folder = _edit(write_tiny_bundle(), **{"signature": None, lost: None})
    with pytest.raises(BundleError, match="signature"):
        read_bundle(folder)


@pytest.mark.parametrize("content", [b"[]", b"{", b'"text"', b"\xff"])
def test_a_manifest_that_is_no_manifest_is_refused(write_tiny_bundle: WriteBundle, content: bytes) -> None:
    folder = write_tiny_bundle()
    (folder / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match="not a valid manifest"):
        read_bundle(folder)


def test_a_bundle_is_not_written_without_a_signature(write_tiny_bundle: WriteBundle, tmp_path: Path) -> None:
    sealed = read_bundle(write_tiny_bundle())
    manifest = sealed.manifest.model_dump(exclude={"signature", "files"})
    with pytest.raises(BundleError, match="signature"):
        write_bundle(tmp_path / "new", {"model.onnx": sealed.path / "model.onnx"}, manifest)


def test_a_changed_file_is_named(write_tiny_bundle: WriteBundle) -> None:
    folder = write_tiny_bundle()
    (folder / "calibration.json").write_text("changed")
    with pytest.raises(BundleError, match=r"calibration\.json"):
        read_bundle(folder)
