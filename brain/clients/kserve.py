"""Client of the V2 (Open Inference Protocol) REST contract that every predictor speaks."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from brain.clients.errors import UpstreamError, UpstreamProtocolError
from brain.clients.upstream import Upstream
from brain.deadline import Deadline

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
Scalar = str | int | float | bool


@dataclass(frozen=True)
class InferInput:
    """One input tensor, flattened in row-major order."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    data: Sequence[Scalar]


@dataclass(frozen=True)
class Floats:
    """A tensor of finite numbers, flattened in row-major order."""

    shape: tuple[int, ...]
    data: Sequence[float]

    def row(self, *index: int) -> Sequence[float]:
        """The last axis at the given place of the others."""
        offset = 0
        for size, place in zip(self.shape, index, strict=False):
            offset = offset * size + place
        width = self.shape[-1]
        return self.data[offset * width : (offset + 1) * width]


@dataclass(frozen=True)
class Numbers:
    """A tensor of numbers some of which may be missing (None), flattened in row-major order."""

    shape: tuple[int, ...]
    data: Sequence[float | None]

    def row(self, index: int) -> Sequence[float | None]:
        """One row of a matrix."""
        width = self.shape[-1]
        return self.data[index * width : (index + 1) * width]


class _Tensor(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    datatype: str
    shape: list[int]
    data: list[object]


class _Infer(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model_name: str
    model_version: str | None = None
    parameters: dict[str, object] | None = None
    outputs: list[_Tensor]


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    versions: list[str] | None = None
    properties: dict[str, object] | None = None


class InferAnswer:
    """What a model answered; every accessor checks what it returns and blames the service by name."""

    def __init__(self, service: str, answer: _Infer) -> None:
        self._service = service
        self._outputs = {tensor.name: tensor for tensor in answer.outputs}
        self.model_name = answer.model_name
        self.model_version = answer.model_version or ""
        self.parameters: Mapping[str, object] = answer.parameters or {}

    def has(self, name: str) -> bool:
        """Whether the answer carries this output."""
        return name in self._outputs

    def floats(self, name: str, *, rank: int) -> Floats:
        """A tensor of numbers; raise UpstreamProtocolError where it is absent, ragged or holds a non-number."""
        tensor = self._tensor(name, rank)
        data = tensor.data
        if not all(type(value) in (float, int) for value in data):
            raise self._broken(f"output {name!r} holds something that is no number")
        numbers = [float(value) for value in data]  # type: ignore[arg-type]
        if not all(map(math.isfinite, numbers)):
            raise self._broken(f"output {name!r} holds NaN or Infinity")
        return Floats(tuple(tensor.shape), numbers)

    def numbers(self, name: str, *, rank: int) -> Numbers:
        """A tensor of numbers in which `null` stands for a missing one; errors as for `floats`."""
        tensor = self._tensor(name, rank)
        if not all(value is None or (type(value) in (float, int) and math.isfinite(value)) for value in tensor.data):  # type: ignore[arg-type]
            raise self._broken(f"output {name!r} holds something that is no finite number")
        return Numbers(tuple(tensor.shape), [None if value is None else float(value) for value in tensor.data])  # type: ignore[arg-type]

    def strings(self, name: str) -> Sequence[str]:
        """A vector of text; raise UpstreamProtocolError where it is absent or holds something else."""
        values = [value for value in self._tensor(name, 1).data if isinstance(value, str)]
        if len(values) != len(self._tensor(name, 1).data):
            raise self._broken(f"output {name!r} holds something that is no text")
        return values

    def text_parameter(self, name: str) -> str:
        """A response parameter as text; empty where it is absent."""
        value = self.parameters.get(name)
        return value if isinstance(value, str) else ""

    def _tensor(self, name: str, rank: int) -> _Tensor:
        tensor = self._outputs.get(name)
        if tensor is None:
            raise self._broken(f"expected an output {name!r}, got {sorted(self._outputs)}")
        if len(tensor.shape) != rank or math.prod(tensor.shape) != len(tensor.data):
            got = f"shape {tensor.shape} with {len(tensor.data)} values"
            raise self._broken(f"expected output {name!r} of rank {rank}, got {got}")
        return tensor

    def _broken(self, reason: str) -> UpstreamProtocolError:
        return UpstreamProtocolError(self._service, reason)


@dataclass(frozen=True)
class ModelMetadata:
    """What `GET /v2/models/{name}` says."""

    name: str
    versions: tuple[str, ...]
    properties: Mapping[str, object]

    def text(self, name: str) -> str:
        """A property as text; empty where it is absent."""
        value = self.properties.get(name)
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A property that lists texts: a list, a JSON list in text, or comma-separated text."""
        value = self.properties.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = [part.strip() for part in str(value).split(",")]
        return tuple(str(item) for item in value if str(item)) if isinstance(value, list) else ()


class KServeClient:
    """Asks one predictor process."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream

    async def infer(
        self,
        model: str,
        inputs: Sequence[InferInput],
        deadline: Deadline,
        *,
        parameters: Mapping[str, Scalar] | None = None,
    ) -> InferAnswer:
        """Ask a model for outputs.

        Raises:
            UpstreamError: As `Upstream.call`, and UpstreamProtocolError for an answer that is no V2 answer.
        """
        request: dict[str, object] = {
            "inputs": [
                {"name": i.name, "datatype": i.datatype, "shape": list(i.shape), "data": list(i.data)} for i in inputs
            ]
        }
        if parameters:
            request["parameters"] = dict(parameters)
        body = json.dumps(request, allow_nan=False).encode()
        answer = await self.upstream.call("POST", f"/v2/models/{model}/infer", deadline, body=body)
        try:
            return InferAnswer(self.upstream.name, _Infer.model_validate_json(answer.body))
        except ValidationError as error:
            raise UpstreamProtocolError(self.upstream.name, _why(error)) from error

    async def metadata(self, model: str, deadline: Deadline) -> ModelMetadata:
        """Ask what a model is; errors as for `infer`."""
        answer = await self.upstream.call("GET", f"/v2/models/{model}", deadline)
        try:
            found = _Metadata.model_validate_json(answer.body)
        except ValidationError as error:
            raise UpstreamProtocolError(self.upstream.name, _why(error)) from error
        return ModelMetadata(found.name, tuple(found.versions or ()), found.properties or {})

    async def ready(self, model: str, deadline: Deadline) -> bool:
        """Whether a model can answer; False also where the process cannot be reached."""
        try:
            await self.upstream.call("GET", f"/v2/models/{model}/ready", deadline)
        except UpstreamError:
            return False
        return True


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = "/".join(str(part) for part in first["loc"]) or "the answer"
    return f"{place}: {first['msg']}"
