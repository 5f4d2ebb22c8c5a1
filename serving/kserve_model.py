"""KServe's view of a predictor: its models, always registered, each ready when it truly is.

KServe drops a model that is not ready at start, answers 503 for ever after `unload` and `load`, and takes a model's
existence for the server's readiness; the classes here put `Served` in place of each.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

import kserve
import numpy as np
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse

from serving import codec_v1
from serving.codec_v2 import checked_datatype, checked_shape, raw_bytes, tensor_of_bytes, tensor_of_values
from serving.errors import MalformedError, PredictorError, unknown_name
from serving.gate import Gate
from serving.served import Served, ServedModels
from serving.tensors import Call, Tensor

if TYPE_CHECKING:
    from kserve.protocol.infer_type import RequestedOutput

grpc_seconds_left: ContextVar[float | None] = ContextVar("grpc_seconds_left", default=None)
"""What is left of the deadline that a gRPC call carries itself."""

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class NotUnloadedError(PredictorError):
    """The models of a predictor stay."""

    status = 409
    grpc_code = "FAILED_PRECONDITION"


class ServedModel(kserve.Model):  # type: ignore[misc]
    """A model that KServe calls: gRPC, and the REST requests that the short way leaves to KServe."""

    def __init__(self, name: str, served: Served, gate: Gate) -> None:
        super().__init__(name)
        self._served, self._gate = served, gate

    async def healthy(self) -> bool:
        """Whether it can answer now."""
        return self._served.ready

    def load(self) -> bool:
        """Tell whether it can answer; loading is the watcher's work."""
        return self._served.ready

    def get_input_types(self) -> list[dict[str, object]]:
        """The tensors a request may hold."""
        return [spec.as_dict() for spec in self._served.require().inputs]

    def get_output_types(self) -> list[dict[str, object]]:
        """The tensors an answer may hold."""
        return [spec.as_dict() for spec in self._served.require().outputs]

    async def predict(
        self,
        payload: "dict[str, object] | InferRequest",
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> "dict[str, object] | InferResponse | pb.ModelInferResponse":
        """Answer a decoded request of any of KServe's protocols."""
        predictor = self._served.require()
        deadline = asyncio.get_running_loop().time() + self._seconds_left(headers or {})
        if isinstance(payload, InferRequest):
            inputs = {one.name: _tensor_in(one) for one in payload.inputs}
            outputs = await predictor.predict(Call(inputs, _parameters(payload.parameters), deadline))
            outputs = _chosen(outputs, payload.request_outputs)
            make = _grpc_answer if payload.from_grpc else _rest_answer
            return make(payload, self.name, predictor.version, predictor.parameters, outputs)
        inputs, parameters = codec_v1.decode_document(payload, predictor.inputs)
        outputs = await predictor.predict(Call(inputs, parameters, deadline))
        return codec_v1.encode_document(
            model_name=self.name,
            model_version=predictor.version,
            parameters=predictor.parameters,
            outputs=outputs,
            rows=next(iter(inputs.values())).shape[0],
        )

    def _seconds_left(self, headers: Mapping[str, str]) -> float:
        given = self._gate.seconds_left(headers.get("x-deadline", ""))
        own = grpc_seconds_left.get()
        return given if own is None else min(given, own)


class ServedRepository(ModelRepository):  # type: ignore[misc]
    """Holds its models for good; each comes with what `load` calls: have the registry looked at now."""

    def __init__(self, models: Sequence[tuple[ServedModel, Callable[[], None]]]) -> None:
        super().__init__()
        for model, _ in models:
            self.update(model)
        self._look_soon = {model.name: look_soon for model, look_soon in models}

    def get_model(self, name: str) -> ServedModel:
        """The model; raise UnknownNameError for any other name."""
        found: ServedModel | None = self.models.get(name)
        if found is None:
            raise unknown_name("model", name, list(self.models))
        return found

    def load(self, name: str) -> bool:
        """Look at the registry now instead of at the next turn."""
        self.get_model(name)
        self._look_soon[name]()
        return True

    def unload(self, name: str) -> None:
        """Refuse: an unloaded model would answer nobody until the next start."""
        self.get_model(name)
        raise NotUnloadedError(f"{name} is served for as long as this process lives; stop the process instead")


class ServedDataPlane(DataPlane):  # type: ignore[misc]
    """KServe's data plane with a readiness that is true and versions in the metadata."""

    def __init__(self, repository: ServedRepository, models: ServedModels) -> None:
        super().__init__(model_registry=repository)
        self._models = models

    async def ready(self) -> bool:
        """Whether the process can answer now."""
        return self._models.ready

    async def model_metadata(self, model_name: str) -> dict[str, object]:
        """KServe's metadata, with the version served."""
        version = self._models.get(model_name).require().version
        metadata: dict[str, object] = await super().model_metadata(model_name)
        return {**metadata, "versions": [version], "platform": "onnxruntime_onnx"}


def _tensor_in(given: InferInput) -> Tensor:
    datatype = checked_datatype(given.name, given.datatype)
    shape = checked_shape(given.name, list(given.shape))
    raw: bytes | None = given._raw_data  # noqa: SLF001 - KServe has no other way to it that keeps strings apart
    if raw is not None:
        return tensor_of_bytes(given.name, datatype, shape, raw)
    values = list(given.data or [])
    if datatype == "BYTES":
        values = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
    return tensor_of_values(given.name, datatype, shape, values)


def _parameters(parameters: Mapping[str, object] | None) -> dict[str, object]:
    """Request parameters as plain values; gRPC wraps each in a message."""
    plain: dict[str, object] = {}
    for name, value in dict(parameters or {}).items():
        kind = value.WhichOneof("parameter_choice") if isinstance(value, pb.InferParameter) else None
        plain[name] = getattr(value, kind) if kind else value
    return plain


def _chosen(outputs: Sequence[Tensor], wanted: "Sequence[RequestedOutput] | None") -> Sequence[Tensor]:
    if not wanted:
        return outputs
    by_name = {tensor.name: tensor for tensor in outputs}
    unknown = [one.name for one in wanted if one.name not in by_name]
    if unknown:
        raise MalformedError(f"there is no output {unknown[0]!r}; this answer has {', '.join(by_name)}")
    return [by_name[one.name] for one in wanted]


def _rest_answer(
    request: InferRequest, name: str, version: str, parameters: Mapping[str, str], outputs: Sequence[Tensor]
) -> InferResponse:
    infer_outputs = []
    for tensor in outputs:
        data = tensor.data if isinstance(tensor.data, np.ndarray) else np.array(tensor.data, np.object_)
        infer_outputs.append(InferOutput(tensor.name, list(tensor.shape), tensor.datatype, data))
    return InferResponse(
        response_id=request.id or "",
        model_name=name,
        model_version=version,
        infer_outputs=infer_outputs,
        parameters=dict(parameters),
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def _grpc_answer(
    request: InferRequest, name: str, version: str, parameters: Mapping[str, str], outputs: Sequence[Tensor]
) -> pb.ModelInferResponse:
    answer = pb.ModelInferResponse(model_name=name, model_version=version, id=request.id or "")
    for key, value in parameters.items():
        answer.parameters[key].string_param = value
    for tensor in outputs:
        described = answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if request.use_binary_outputs:
            answer.raw_output_contents.append(raw_bytes(tensor))
            continue
        values = (
            tensor.data.ravel().tolist() if isinstance(tensor.data, np.ndarray) else [v.encode() for v in tensor.data]
        )
        getattr(described.contents, _CONTENTS[tensor.datatype]).extend(values)
    return answer
