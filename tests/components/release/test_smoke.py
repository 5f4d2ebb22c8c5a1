from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from components.release.candidate import make_bundle
from components.release.errors import SmokeError
from components.release.smoke import smoke_score, typical_window
from runtime.bundle import Bundle

WriteCandidate = Callable[..., Path]


@pytest.fixture
def bundle_of(write_candidate: WriteCandidate, report_html: Path, tmp_path: Path) -> Callable[..., Bundle]:
    def make(model: bytes | None = None, **fields: object) -> Bundle:
        candidate = write_candidate(model=model, **fields)
        return make_bundle(candidate, tmp_path / "out", family="tiny", name="tiny", report_html=report_html)

    return make


def _with_last_node(model: bytes, operator: str) -> bytes:
    """The tiny forecaster with one more operator before its output."""
    edited = onnx.load_from_string(model)
    edited.graph.node[-1].output[0] = "inner"
    edited.graph.node.append(helper.make_node(operator, ["inner"], ["quantiles"]))
    return bytes(edited.SerializeToString())


def test_a_bundle_answers_one_typical_window(bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of()
    np.testing.assert_array_equal(typical_window(bundle), np.full((1, 4, 2), 0.5, dtype=np.float32))
    report = smoke_score(bundle)
    assert report.shape == (1, 3, 3)
    assert 0 < report.seconds < 60


def test_a_window_of_the_callers_is_scored(bundle_of: Callable[..., Bundle]) -> None:
    assert smoke_score(bundle_of(), np.zeros((5, 4, 2), dtype=np.float32)).shape == (5, 3, 3)


@pytest.mark.parametrize("shape", [(1, 4, 3), (1, 5, 2), (4, 2), (0, 4, 2)])
def test_a_window_of_another_shape_is_refused_saying_both(
    bundle_of: Callable[..., Bundle], shape: tuple[int, ...]
) -> None:
    with pytest.raises(SmokeError, match=r"expected a window \(N, 4, 2\), got \(.*\)") as caught:
        smoke_score(bundle_of(), np.zeros(shape, dtype=np.float32))
    assert str(shape) in str(caught.value)


def test_quantiles_that_cross_are_refused(
    bundle_of: Callable[..., Bundle], tiny_forecaster: Callable[..., bytes]
) -> None:
    with pytest.raises(SmokeError, match="cross in 6 places"):
        smoke_score(bundle_of(_with_last_node(tiny_forecaster(), "Neg")))


def test_quantiles_that_are_not_finite_are_refused(
    bundle_of: Callable[..., Bundle], tiny_forecaster: Callable[..., bytes]
) -> None:
    with pytest.raises(SmokeError, match="not finite"):
        smoke_score(bundle_of(_with_last_node(tiny_forecaster(), "Log")))


def test_an_answer_of_another_shape_than_the_manifest_says_is_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match=r"answers \(1, 3, 3\), its manifest says \(1, 24, 3\)"):
        smoke_score(bundle_of(horizon_bars=24))


def test_bytes_that_are_no_graph_are_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match="could not be run"):
        smoke_score(bundle_of(b"no graph"))


def test_a_graph_with_another_input_is_refused(
    bundle_of: Callable[..., Bundle], tiny_forecaster: Callable[..., bytes]
) -> None:
    edited = onnx.load_from_string(tiny_forecaster())
    edited.graph.input[0].name = "x"
    edited.graph.node[0].input[0] = "x"
    with pytest.raises(SmokeError, match="could not be run"):
        smoke_score(bundle_of(bytes(edited.SerializeToString())))


def test_statistics_without_a_feature_are_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match="lacks the mean of a feature: 'c'"):
        smoke_score(bundle_of(feature_names=["a", "c"]))
