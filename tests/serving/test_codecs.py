"""What is written is what is read, whatever the tensors hold."""

import json

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from serving import codec_v1, codec_v2
from serving.errors import InvalidValueError, MalformedError, PredictorError
from serving.tensors import NUMPY_DTYPES, Tensor, TensorSpec

few = settings(max_examples=50, deadline=None, database=None)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=12)
FLOATS = nst.arrays(
    np.float32, nst.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.floats(-1e6, 1e6, width=32)
)
TEXTS = st.lists(st.text(max_size=8), min_size=1, max_size=5)


def answer_of(outputs: list[Tensor], request: codec_v2.WireRequest) -> tuple[bytes, int | None]:
    return codec_v2.encode(
        request=request, request_id="r", model_name="m", model_version="3", parameters={"a": "b"}, outputs=outputs
    )


@few
@given(FLOATS, TEXTS, st.booleans())
def test_raw_and_json_requests_decode_to_the_same_tensors(array: np.ndarray, texts: list[str], raw: bool) -> None:
    tensors = [Tensor.of("numbers", array), Tensor.strings("texts", texts)]
    described: list[dict[str, object]] = []
    tail = b""
    for tensor in tensors:
        entry: dict[str, object] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if raw:
            content = codec_v2.raw_bytes(tensor)
            entry["parameters"] = {"binary_data_size": len(content)}
            tail += content
        else:
            entry["data"] = np.asarray(tensor.data).tolist()  # nested, as numpy's users send it
        described.append(entry)
    head = json.dumps({"inputs": described}).encode()
    request = codec_v2.decode(head + tail, len(head) if raw else None)
    np.testing.assert_array_equal(request.inputs["numbers"].data, array)
    assert list(request.inputs["texts"].data) == texts


@few
@given(FLOATS, TEXTS, st.booleans())
def test_what_is_encoded_decodes_to_the_same_values(array: np.ndarray, texts: list[str], raw: bool) -> None:
    request = codec_v2.WireRequest("", {}, {}, {}, raw)
    body, head = answer_of([Tensor.of("numbers", array), Tensor.strings("texts", texts)], request)
    document = orjson.loads(body[:head])
    assert document["model_version"] == "3"
    assert document["id"] == "r"
    if not raw:
        assert head is None
        np.testing.assert_array_equal(np.array(document["outputs"][0]["data"], np.float32), array.ravel())
        assert document["outputs"][1]["data"] == texts
        return
    size = document["outputs"][0]["parameters"]["binary_data_size"]
    np.testing.assert_array_equal(np.frombuffer(body[head:][:size], "<f4"), array.ravel())


@few
@given(st.binary(max_size=200), st.none() | st.integers(0, 220))
def test_no_bytes_make_the_decoder_fail_in_a_way_of_its_own(body: bytes, head: int | None) -> None:
    try:
        codec_v2.decode(body, head)
    except PredictorError as error:
        assert error.status in (400, 422)


@few
@given(DOCUMENTS)
def test_no_document_makes_a_decoder_fail_in_a_way_of_its_own(document: object) -> None:
    body = json.dumps({"inputs": document, "instances": document}).encode()
    specs = [TensorSpec("symbol", "BYTES", (-1,)), TensorSpec("window", "FP32", (-1, 2, 2))]
    for decode in (lambda: codec_v2.decode(body), lambda: codec_v1.decode(body, specs)):
        try:
            decode()
        except PredictorError as error:
            assert error.status in (400, 422)


@few
@given(
    st.sampled_from([*NUMPY_DTYPES, "BYTES"]),
    st.lists(st.integers(-2, 5), max_size=3),
    st.recursive(LEAVES, st.lists, max_leaves=8),
)
def test_no_tensor_makes_the_decoder_fail_in_a_way_of_its_own(datatype: str, shape: list[int], data: object) -> None:
    body = json.dumps({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]}).encode()
    try:
        tensor = codec_v2.decode(body).inputs["x"]
    except PredictorError as error:
        assert error.status in (400, 422)
    else:
        assert tensor.shape == tuple(shape)
        assert np.size(tensor.data) == np.prod(shape)


def test_an_outputs_own_choice_of_raw_wins_over_the_requests() -> None:
    wanted = {"outputs": [{"name": "b", "parameters": {"binary_data": True}}, {"name": "a"}]}
    symbol = {"name": "s", "datatype": "BYTES", "shape": [1], "data": ["x"]}
    request = codec_v2.decode(json.dumps({"inputs": [symbol], **wanted}).encode())
    body, head = answer_of([Tensor.of("a", np.ones(2)), Tensor.of("b", np.zeros(3))], request)
    outputs = orjson.loads(body[:head])["outputs"]
    assert [one["name"] for one in outputs] == ["b", "a"]
    assert outputs[1]["data"] == [1.0, 1.0]
    assert body[head:] == np.zeros(3).tobytes()


@pytest.mark.parametrize(
    ("sizes", "head"),
    [([-1], None), ([5], None), (["4"], None), ([2], None)],
)
def test_a_wrong_binary_size_is_refused(sizes: list[object], head: int | None) -> None:
    inputs = [
        {"name": f"x{number}", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}}
        for number, size in enumerate(sizes)
    ]
    content = json.dumps({"inputs": inputs}).encode()
    with pytest.raises((MalformedError, InvalidValueError)):
        codec_v2.decode(content + bytes(4), len(content))


def test_bytes_behind_the_last_tensor_are_refused() -> None:
    content = json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}]}
    ).encode()
    assert codec_v2.decode(content + bytes(4), len(content)).inputs["x"].shape == (1,)
    with pytest.raises(MalformedError, match="1 bytes follow"):
        codec_v2.decode(content + bytes(5), len(content))


def test_v1_rows_carry_shared_tensors_and_spell_json_out() -> None:
    outputs = [
        Tensor.of("levels", np.array([0.1, 0.9], np.float32), shared=True),
        Tensor.of("quantiles", np.arange(8, dtype=np.float32).reshape(2, 2, 2)),
        Tensor.of("close", np.array([1.5, 2.5])),
        Tensor.strings("odd", ['["a"]', "[]"], json=True),
    ]
    body = codec_v1.encode(model_name="m", model_version="3", parameters={}, outputs=outputs, rows=2)
    first, second = orjson.loads(body)["predictions"]
    assert second == {"levels": first["levels"], "quantiles": [[4, 5], [6, 7]], "close": 2.5, "odd": []}
    assert first["odd"] == ["a"]
    assert first["levels"] == pytest.approx([0.1, 0.9])
