"""The V2 (open inference) protocol over REST: JSON, and JSON followed by raw tensors.

Tensors are decoded straight into arrays and answers encoded straight from them. Numbers that are no numbers are
refused here: JSON cannot carry them, and an `null` among floats would become one in silence.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from serving.errors import InvalidValueError, MalformedError
from serving.tensors import NUMPY_DTYPES, Array, Tensor, element_count

BINARY_HEADER = b"inference-header-content-length"

_MAX_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A decoded request; `wanted` maps requested outputs to whether they go out raw, empty means every output."""

    id: str
    inputs: Mapping[str, Tensor]
    parameters: Mapping[str, object]
    wanted: Mapping[str, bool]
    raw_outputs: bool


def decode(body: bytes, json_bytes: int | None = None) -> WireRequest:
    """Read a request.

    Args:
        body: The HTTP body.
        json_bytes: Length of its JSON head where raw tensors follow (`Inference-Header-Content-Length`).

    Raises:
        MalformedError: It is no JSON, or no V2 request.
        InvalidValueError: A tensor's type, shape and data disagree.
    """
    if json_bytes is not None and not 0 < json_bytes <= len(body):
        raise MalformedError(
            f"Inference-Header-Content-Length is {json_bytes}, and the body holds {len(body)} bytes; "
            "it is the length of the JSON that the raw tensors follow"
        )
    document = load_json(body if json_bytes is None else memoryview(body)[:json_bytes])
    tail = memoryview(b"") if json_bytes is None else memoryview(body)[json_bytes:]
    parameters = _object(document.get("parameters"), "parameters")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise MalformedError(f"expected 'inputs' to be a list of tensors, received {_kind(inputs)}")
    tensors: dict[str, Tensor] = {}
    for item in inputs:
        tensor, tail = _tensor(_object(item, "inputs[]"), tail)
        if tensor.name in tensors:
            raise MalformedError(f"input {tensor.name!r} stands twice in the request")
        tensors[tensor.name] = tensor
    if len(tail):
        raise MalformedError(f"{len(tail)} bytes follow the last raw tensor; every one needs its binary_data_size")
    request_id = document.get("id")
    raw = parameters.get("binary_data_output") is True
    wanted = _wanted(document.get("outputs"), raw)
    return WireRequest("" if request_id is None else str(request_id), tensors, parameters, wanted, raw)


def encode(
    *,
    request: WireRequest,
    request_id: str,
    model_name: str,
    model_version: str,
    parameters: Mapping[str, str],
    outputs: Sequence[Tensor],
) -> tuple[bytes, int | None]:
    """Write an answer; return it and, if raw tensors follow the JSON, the JSON's length.

    NaN in an output, an indicator before its warm-up, goes out as `null` in JSON.

    Raises:
        MalformedError: An output was asked for that the model does not give.
    """
    chosen = [(tensor, request.raw_outputs) for tensor in outputs]
    if request.wanted:
        by_name = {tensor.name: tensor for tensor in outputs}
        unknown = [name for name in request.wanted if name not in by_name]
        if unknown:
            raise MalformedError(f"there is no output {unknown[0]!r}; this answer has {', '.join(by_name)}")
        chosen = [(by_name[name], raw) for name, raw in request.wanted.items()]
    described: list[dict[str, object]] = []
    tail: list[bytes] = []
    for tensor, raw in chosen:
        entry: dict[str, object] = {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype}
        if raw:
            tail.append(raw_bytes(tensor))
            entry["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            entry["data"] = tensor.data.ravel() if isinstance(tensor.data, np.ndarray) else tensor.data
        described.append(entry)
    head = orjson.dumps(
        {
            "model_name": model_name,
            "model_version": model_version,
            "id": request.id or request_id,
            "parameters": parameters,
            "outputs": described,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return (head + b"".join(tail), len(head)) if tail else (head, None)


def load_json(body: bytes | memoryview) -> dict[str, object]:
    """Parse a JSON object; raise MalformedError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"the body is not JSON: {error}") from error
    return _object(document, "the body")


def tensor_of_values(name: str, datatype: str, shape: tuple[int, ...], data: object) -> Tensor:
    """A tensor from JSON values, flat or nested; raise InvalidValueError where they do not fit type and shape."""
    if not isinstance(data, list):
        raise MalformedError(f"expected 'data' of input {name!r} to be a list, received {_kind(data)}")
    if datatype == "BYTES":
        return _strings(name, shape, data)
    if datatype == "FP16":
        raise InvalidValueError(f"input {name!r} is FP16, which JSON does not carry; send it as raw bytes")
    dtype = NUMPY_DTYPES[datatype]
    values = _numbers(name, datatype, data)
    if values.size != element_count(shape):
        raise _count(name, shape, values.size)
    return Tensor(name, datatype, shape, np.ascontiguousarray(values, dtype).reshape(shape))


def raw_bytes(tensor: Tensor) -> bytes:
    """A tensor as raw little-endian bytes; strings each behind their length."""
    if isinstance(tensor.data, np.ndarray):
        return tensor.data.astype(NUMPY_DTYPES[tensor.datatype], copy=False).tobytes()
    encoded = [value.encode() for value in tensor.data]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)


def tensor_of_bytes(name: str, datatype: str, shape: tuple[int, ...], raw: bytes | memoryview) -> Tensor:
    """The reverse of `raw_bytes`; raise InvalidValueError where the length does not fit type and shape."""
    if datatype == "BYTES":
        return _strings(name, shape, _unpack(name, raw))
    dtype = NUMPY_DTYPES[datatype]
    expected = element_count(shape) * dtype.itemsize
    if len(raw) != expected:
        raise InvalidValueError(
            f"input {name!r} of shape {list(shape)} and type {datatype} takes {expected} bytes, received {len(raw)}"
        )
    return Tensor(name, datatype, shape, np.frombuffer(raw, dtype).reshape(shape))


def checked_shape(name: str, shape: object) -> tuple[int, ...]:
    """A shape as whole numbers of at least 0; raise MalformedError."""
    if (
        not isinstance(shape, list)
        or len(shape) > _MAX_DIMENSIONS
        or any(type(size) is not int or size < 0 for size in shape)
    ):
        raise MalformedError(f"expected 'shape' of input {name!r} to be a list of whole numbers, received {shape!r}")
    return tuple(shape)


def checked_datatype(name: str, datatype: object) -> str:
    """A datatype the protocol knows; raise InvalidValueError naming them."""
    if datatype != "BYTES" and datatype not in NUMPY_DTYPES:
        raise InvalidValueError(
            f"input {name!r} has datatype {datatype!r}; expected one of {', '.join([*NUMPY_DTYPES, 'BYTES'])}"
        )
    return str(datatype)


def _tensor(item: Mapping[str, object], tail: memoryview) -> tuple[Tensor, memoryview]:
    name = item.get("name")
    if not isinstance(name, str):
        raise MalformedError(f"expected every input to have a name, received {_kind(name)}")
    datatype = checked_datatype(name, item.get("datatype"))
    shape = checked_shape(name, item.get("shape"))
    size = _object(item.get("parameters"), f"parameters of input {name!r}").get("binary_data_size")
    if "data" in item or size is None:
        return tensor_of_values(name, datatype, shape, item.get("data")), tail
    if type(size) is not int or not 0 <= size <= len(tail):
        raise MalformedError(f"binary_data_size of input {name!r} is {size!r}, and {len(tail)} bytes are left")
    return tensor_of_bytes(name, datatype, shape, tail[:size]), tail[size:]


def _numbers(name: str, datatype: str, data: list[object]) -> Array:
    wanted = "b" if datatype == "BOOL" else "fiu" if datatype.startswith("FP") else "iu"
    try:
        values: Array = np.array(data)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError(f"the data of input {name!r} is ragged or out of range: {error}") from error
    if values.size and values.dtype.kind not in wanted:
        raise InvalidValueError(f"the data of input {name!r} holds values that are no {datatype}, such as null or text")
    if wanted == "iu" and values.size:
        limits = np.iinfo(NUMPY_DTYPES[datatype].name)
        if int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise InvalidValueError(f"the data of input {name!r} is out of the range of {datatype}")
    return values


def _strings(name: str, shape: tuple[int, ...], data: list[object] | list[str]) -> Tensor:
    flat = [value for item in data for value in (item if isinstance(item, list) else [item])]
    if not all(isinstance(value, str) for value in flat):
        raise InvalidValueError(f"the data of input {name!r} holds values that are no BYTES; expected strings")
    if len(flat) != element_count(shape):
        raise _count(name, shape, len(flat))
    return Tensor(name, "BYTES", shape, [str(value) for value in flat])


def _unpack(name: str, raw: bytes | memoryview) -> list[str]:
    values: list[str] = []
    offset = 0
    view = memoryview(raw)
    try:
        while offset < len(view):
            (length,) = struct.unpack_from("<I", view, offset)
            value = bytes(view[offset + 4 : offset + 4 + length])
            if len(value) != length:
                raise InvalidValueError(f"the raw strings of input {name!r} end in the middle of one")
            values.append(value.decode())
            offset += 4 + length
    except (struct.error, UnicodeDecodeError) as error:
        raise InvalidValueError(f"the raw strings of input {name!r} cannot be read: {error}") from error
    return values


def _wanted(outputs: object, raw: bool) -> dict[str, bool]:
    if outputs is None:
        return {}
    if not isinstance(outputs, list):
        raise MalformedError(f"expected 'outputs' to be a list, received {_kind(outputs)}")
    wanted: dict[str, bool] = {}
    for item in outputs:
        output = _object(item, "outputs[]")
        name = output.get("name")
        if not isinstance(name, str):
            raise MalformedError("expected every requested output to have a name")
        choice = _object(output.get("parameters"), f"parameters of output {name!r}").get("binary_data", raw)
        wanted[name] = choice is True
    return wanted


def _object(value: object, where: str) -> dict[str, object]:
    if value is None and where != "the body":
        return {}
    if not isinstance(value, dict):
        raise MalformedError(f"expected {where} to be an object, received {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a JSON {type(value).__name__}"


def _count(name: str, shape: tuple[int, ...], found: int) -> InvalidValueError:
    return InvalidValueError(
        f"input {name!r} says shape {list(shape)}, which is {element_count(shape)} values, and holds {found}"
    )
