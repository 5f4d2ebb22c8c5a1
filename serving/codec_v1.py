"""The V1 protocol: a list of instances in, a list of predictions with the same names out."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from serving.codec_v2 import load_json, tensor_of_values
from serving.errors import InvalidValueError, MalformedError
from serving.tensors import Tensor, TensorSpec


def decode(body: bytes, specs: Sequence[TensorSpec]) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read `{"instances": [{name: value}, …], "parameters": {…}}` from bytes; see `decode_document`."""
    return decode_document(load_json(body), specs)


def decode_document(
    document: Mapping[str, object], specs: Sequence[TensorSpec]
) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Stack the instances into tensors, all of the same input.

    Returns:
        The tensors, a row an instance, and the request's parameters.

    Raises:
        MalformedError: There are no instances, they are no objects, or they differ in what they hold.
        InvalidValueError: Their values are of the wrong type or do not stack.
    """
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise MalformedError('expected {"instances": [{…}, …]} with at least one instance')
    if not all(isinstance(instance, dict) for instance in instances):
        raise MalformedError("expected every instance to be an object that names its input")
    known = {spec.name: spec for spec in specs}
    names = {name for instance in instances for name in instance}
    if len(names) != 1 or not names <= known.keys():
        raise MalformedError(
            f"expected every instance to hold the same one of {', '.join(known)}; received {sorted(map(str, names))}"
        )
    name = names.pop()
    values = [instance.get(name) for instance in instances]
    if any(value is None for value in values):
        raise MalformedError(f"expected every instance to hold {name!r}")
    parameters = document.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise MalformedError("expected 'parameters' to be an object")
    return {name: _stack(known[name], values)}, dict(parameters or {})


def encode(
    *, model_name: str, model_version: str, parameters: Mapping[str, str], outputs: Sequence[Tensor], rows: int
) -> bytes:
    """Write the answer; see `encode_document`."""
    document = encode_document(
        model_name=model_name, model_version=model_version, parameters=parameters, outputs=outputs, rows=rows
    )
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_document(
    *, model_name: str, model_version: str, parameters: Mapping[str, str], outputs: Sequence[Tensor], rows: int
) -> dict[str, object]:
    """One object a row; a tensor that is not a row each, such as quantile levels, stands in every row."""
    columns = [(tensor.name, _per_row(tensor, rows)) for tensor in outputs]
    return {
        "predictions": [{name: column[row] for name, column in columns} for row in range(rows)],
        "model_name": model_name,
        "model_version": model_version,
        "parameters": dict(parameters),
    }


def _per_row(tensor: Tensor, rows: int) -> Sequence[object]:
    if tensor.shared:
        return [tensor.data] * rows
    if tensor.json and not isinstance(tensor.data, np.ndarray):
        return [json.loads(value) for value in tensor.data]
    if isinstance(tensor.data, np.ndarray):
        values: list[object] = list(tensor.data) if tensor.data.ndim > 1 else tensor.data.tolist()
        return values
    return tensor.data


def _stack(spec: TensorSpec, values: list[object]) -> Tensor:
    if spec.datatype == "BYTES":
        if spec.json:
            values = [orjson.dumps(value).decode() if isinstance(value, dict) else value for value in values]
        return tensor_of_values(spec.name, "BYTES", (len(values),), values)
    shape = _shape(values)
    if len(shape) != len(spec.shape):
        raise InvalidValueError(
            f"input {spec.name!r} has shape {list(shape)}; expected {list(spec.shape)}, where -1 is any length"
        )
    return tensor_of_values(spec.name, spec.datatype, shape, values)


def _shape(value: object) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)
