"""What callers are told over gRPC, by KServe's own service definition."""

from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service
from predictor_kit import FEATURES, MODEL
from predictor_process import Running

from feature_repo.crypto import WINDOW_BARS

Stub = service.GRPCInferenceServiceStub


@pytest.fixture
def stub(predictor: Running) -> Iterator[Stub]:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(predictor.grpc_target, options=options) as channel:
        yield Stub(channel)


def symbol(name: str, model: str = MODEL, **parameters: int | str | bool) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="symbol", datatype="BYTES", shape=[1], contents=pb.InferTensorContents(bytes_contents=[name.encode()])
    )
    request = pb.ModelInferRequest(model_name=model, inputs=[tensor], id="g-1")
    for key, value in parameters.items():
        field = {int: "int64_param", str: "string_param", bool: "bool_param"}[type(value)]
        setattr(request.parameters[key], field, value)
    return request


def window(array: np.ndarray, datatype: str = "FP32") -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="window", datatype=datatype, shape=array.shape)
    return pb.ModelInferRequest(model_name=MODEL, inputs=[tensor], raw_input_contents=[array.tobytes()])


def refused(stub: Stub, request: pb.ModelInferRequest, **call: object) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(request, **call)
    return error.value


def test_an_unknown_symbol_and_model_are_not_found_and_name_the_nearest(stub: Stub) -> None:
    error = refused(stub, symbol("BTCC"))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert "did you mean 'BTC'" in error.details()
    error = refused(stub, symbol("BTC", model="crypto-forecast-1d"))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert MODEL in error.details()


@pytest.mark.parametrize(
    ("array", "datatype", "told"),
    [
        (np.full((1, WINDOW_BARS, FEATURES), np.nan, np.float32), "FP32", "not finite"),
        (np.zeros((1, 3, FEATURES), np.float32), "FP32", f"[N, {WINDOW_BARS}, {FEATURES}]"),
        (np.zeros((1, WINDOW_BARS, FEATURES), np.float32), "FP64", "bytes"),
        (np.zeros((1, WINDOW_BARS, FEATURES), np.float32), "FLOAT", "FP32"),
    ],
)
def test_a_wrong_tensor_is_an_invalid_argument(stub: Stub, array: np.ndarray, datatype: str, told: str) -> None:
    error = refused(stub, window(array, datatype))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert told in error.details()


def test_history_is_given_where_it_is_asked_for(stub: Stub) -> None:
    outputs = {one.name: list(one.shape) for one in stub.ModelInfer(symbol("BTC", history_bars=5)).outputs}
    assert outputs["candles"] == [1, 5, 6]
    assert refused(stub, symbol("BTC", history_bars="5")).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_requested_output_comes_alone(stub: Stub) -> None:
    request = symbol("BTC")
    request.outputs.add(name="as_of")
    assert [one.name for one in stub.ModelInfer(request).outputs] == ["as_of"]
    request.outputs.add(name="mean")
    assert refused(stub, request).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_over_the_limit_is_refused(stub: Stub) -> None:
    request = window(np.zeros((1, WINDOW_BARS, FEATURES), np.float32))
    request.raw_input_contents[0] = bytes(20 << 20)
    assert refused(stub, request).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_that_has_passed_ends_the_call(stub: Stub) -> None:
    error = refused(stub, symbol("BTC"), metadata=(("x-deadline", "1"),))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_error_of_the_model_shows_nothing_of_our_insides(stub: Stub, predictor: Running) -> None:
    request = window(np.full((1, WINDOW_BARS, FEATURES), 100, np.float32))
    error = refused(stub, request, metadata=(("x-request-id", "grpc-1"),))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "finite" not in error.details()
    assert "grpc-1" in predictor.log()


def test_the_model_cannot_be_unloaded(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as error:
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name=MODEL))
    assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=MODEL)).isLoaded
    assert stub.ModelReady(pb.ModelReadyRequest(name=MODEL)).ready
