"""Tensors as they cross the wire, apart from any protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.bundle import Bundle

Array = NDArray[np.generic]

NUMPY_DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""Fixed-width datatypes of the V2 protocol; `BYTES` is the other one."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named tensor.

    `data` is a C-ordered array of `shape`, or the strings of a `BYTES` tensor, flat. A `shared` tensor is the same for
    every row of the request; the strings of a `json` tensor are JSON documents. V1, which answers row by row, needs
    to know both.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Array | Sequence[str]
    shared: bool = False
    json: bool = False

    @classmethod
    def of(cls, name: str, array: Array, *, shared: bool = False) -> "Tensor":
        """A float tensor from an array."""
        return cls(name, "FP32" if array.dtype == np.float32 else "FP64", array.shape, array, shared)

    @classmethod
    def strings(cls, name: str, values: Sequence[str], *, shared: bool = False, json: bool = False) -> "Tensor":
        """A one-dimensional `BYTES` tensor."""
        return cls(name, "BYTES", (len(values),), values, shared, json)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What metadata says of a tensor; -1 stands for any length.

    The strings of a `json` tensor are JSON documents, which V1 takes as the objects that they are.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    json: bool = False

    def as_dict(self) -> dict[str, object]:
        """In the protocol's own words."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its tensors and parameters, and how long its caller waits.

    `deadline` is on the event loop's clock. `alive` tells, without waiting, whether the caller is still there.
    """

    inputs: Mapping[str, Tensor]
    parameters: Mapping[str, object]
    deadline: float
    alive: Callable[[], bool] = field(default=lambda: True)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a predictor can answer; `reason` says why not, `details` go into `/ready`."""

    ok: bool
    reason: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


class Predictor(Protocol):
    """One loaded model version. Every family brings one; the machinery around it knows no family."""

    @property
    def version(self) -> str:
        """The registry's version."""
        ...

    @property
    def parameters(self) -> Mapping[str, str]:
        """What every answer says of the model beside its version."""
        ...

    @property
    def properties(self) -> Mapping[str, object]:
        """What the model's metadata says beside its tensors."""
        ...

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The tensors it can be given."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The tensors it can answer with."""
        ...

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for the model."""
        ...

    async def predict(self, call: Call) -> Sequence[Tensor]:
        """Answer one request; raise a `PredictorError` for the caller."""
        ...

    async def health(self) -> Health:
        """Look at what a prediction depends on."""
        ...


class Family(Protocol):
    """Makes predictors of one kind."""

    def load(self, bundle: Bundle, version: str) -> Predictor:
        """Open, check, warm and smoke-test a version; blocks. Raise `ModelRejectedError` where it cannot be served."""
        ...


def element_count(shape: Sequence[int]) -> int:
    """How many elements a tensor of this shape has."""
    return prod(shape)
