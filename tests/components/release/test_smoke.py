from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from components.release.candidate import make_bundle
from components.release.errors import SmokeError
from components.release.smoke import smoke_score, typical_rows
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


def _detector() -> bytes:
    """Features [N, 2] to their mean's sigmoid and to a softmax over both."""
    info = helper.make_tensor_value_info
    nodes = [
        helper.make_node("ReduceMean", ["features", "last"], ["mean"], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["probability"]),
        helper.make_node("Softmax", ["features"], ["class_probabilities"]),
    ]
    outputs = [
        info("probability", onnx.TensorProto.FLOAT, ["n"]),
        info("class_probabilities", onnx.TensorProto.FLOAT, ["n", 2]),
    ]
    last = onnx.numpy_helper.from_array(np.array([1], np.int64), "last")
    inputs = [info("features", onnx.TensorProto.FLOAT, ["n", 2])]
    graph = helper.make_graph(nodes, "detector", inputs, outputs, [last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def _signature(shape: Sequence[int] = (3, 3), **bounds: object) -> dict[str, object]:
    """The tiny forecaster's, or one that promises something else."""
    output = {"name": "quantiles", "shape": shape, "ascending": True, **bounds}
    return {"inputs": [{"name": "window", "shape": (4, 2)}], "outputs": [output]}


def test_a_bundle_answers_one_typical_row(bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of()
    np.testing.assert_array_equal(typical_rows(bundle)["window"], np.full((1, 4, 2), 0.5, dtype=np.float32))
    report = smoke_score(bundle)
    assert report.shapes == {"quantiles": (1, 3, 3)}
    assert 0 < report.seconds < 60


def test_rows_of_the_callers_are_scored(bundle_of: Callable[..., Bundle]) -> None:
    rows = {"window": np.zeros((5, 4, 2), dtype=np.float32)}
    assert smoke_score(bundle_of(), rows).shapes == {"quantiles": (5, 3, 3)}


def test_a_graph_of_several_outputs_is_held_to_each(bundle_of: Callable[..., Bundle]) -> None:
    signature = {
        "inputs": [{"name": "features", "shape": (2,)}],
        "outputs": [
            {"name": "probability", "shape": (), "low": 0, "high": 1},
            {"name": "class_probabilities", "shape": (2,), "low": 0, "high": 1},
        ],
    }
    report = smoke_score(bundle_of(_detector(), signature=signature))
    assert report.shapes == {"probability": (1,), "class_probabilities": (1, 2)}


@pytest.mark.parametrize("shape", [(1, 4, 3), (1, 5, 2), (4, 2), (0, 4, 2)])
def test_rows_of_another_shape_are_refused_saying_both(
    bundle_of: Callable[..., Bundle], shape: tuple[int, ...]
) -> None:
    with pytest.raises(SmokeError, match=r"expected 'window' as \(N, 4, 2\).*, got \(.*\)") as caught:
        smoke_score(bundle_of(), {"window": np.zeros(shape, dtype=np.float32)})
    assert str(shape) in str(caught.value)


def test_rows_of_another_name_are_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match="expected the inputs window, got features"):
        smoke_score(bundle_of(), {"features": np.zeros((1, 2), dtype=np.float32)})


def test_an_output_that_falls_where_it_must_ascend_is_refused(
    bundle_of: Callable[..., Bundle], tiny_forecaster: Callable[..., bytes]
) -> None:
    with pytest.raises(SmokeError, match="fall in 6 places"):
        smoke_score(bundle_of(_with_last_node(tiny_forecaster(), "Neg")))


def test_an_output_that_is_not_finite_is_refused(
    bundle_of: Callable[..., Bundle], tiny_forecaster: Callable[..., bytes]
) -> None:
    with pytest.raises(SmokeError, match="not finite"):
        smoke_score(bundle_of(_with_last_node(tiny_forecaster(), "Log")))


def test_an_output_outside_its_bounds_is_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match="3 of 9 quantiles are outside 0 to inf"):
        smoke_score(bundle_of(signature=_signature(low=0.0)))


def test_an_answer_of_another_shape_than_the_manifest_says_is_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match=r"has shape \(1, 3, 3\), its manifest says \(1, 24, 3\)"):
        smoke_score(bundle_of(signature=_signature((24, 3))))


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


def test_an_input_that_does_not_end_in_the_features_is_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match="end in the 2 features"):
        smoke_score(bundle_of(signature={**_signature(), "inputs": [{"name": "window", "shape": [2, 4]}]}))


def test_statistics_without_a_feature_are_refused(bundle_of: Callable[..., Bundle]) -> None:
    with pytest.raises(SmokeError, match="lacks the mean of a feature: 'c'"):
        smoke_score(bundle_of(feature_names=["a", "c"]))
