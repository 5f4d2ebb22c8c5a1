"""An ONNX model in memory: opened once, checked against its manifest, called from one thread at a time."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class ModelRejectedError(ValueError):
    """A version cannot be served; says what is wrong with it."""


class OnnxSession:
    """A graph of one float input and float outputs, the first axis free everywhere.

    Args:
        path: The ONNX file.
        input_name: Its input, FP32 `(N, *row_shape)`.
        row_shape: Shape of one row.
        outputs: Outputs that are asked for, by name: shape of one row's answer, FP32.
        threads: Threads inside one call.
        providers: Execution providers in order of preference.

    Raises:
        ModelRejectedError: The file is no ONNX model, or its tensors are others than promised.
    """

    def __init__(
        self,
        path: Path,
        *,
        input_name: str,
        row_shape: tuple[int, ...],
        outputs: Mapping[str, tuple[int, ...]],
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # noqa: BLE001 - the runtime's errors share no base class
            raise ModelRejectedError(f"{path.name} cannot be opened as an ONNX model: {error}") from error
        self._input_name, self._outputs = input_name, dict(outputs)
        self._names = list(outputs)
        _check_io("input", self._session.get_inputs(), input_name, row_shape)
        for name, shape in outputs.items():
            _check_io("output", self._session.get_outputs(), name, shape)

    def run(self, rows: Rows) -> list[Rows]:
        """Call the graph on `(N, *row_shape)`; raise ValueError if what comes back is misshapen."""
        answers: list[Rows] = self._session.run(self._names, {self._input_name: rows})
        for answer, shape in zip(answers, self._outputs.values(), strict=True):
            expected = (len(rows), *shape)
            if answer.shape != expected:
                raise ValueError(f"the model answered {rows.shape} with {answer.shape}; expected {expected}")
        return answers


class OnnxModel(OnnxSession):
    """A graph of which one output is asked for; arguments are those of `OnnxSession`."""

    def __init__(
        self,
        path: Path,
        *,
        input_name: str,
        output_name: str,
        row_shape: tuple[int, ...],
        answer_shape: tuple[int, ...],
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        super().__init__(
            path,
            input_name=input_name,
            row_shape=row_shape,
            outputs={output_name: answer_shape},
            threads=threads,
            providers=providers,
        )

    def __call__(self, rows: Rows) -> Rows:
        """The output for `(N, *row_shape)`."""
        return self.run(rows)[0]


class StackedModel(OnnxSession):
    """A graph whose outputs, each a number or a vector a row, stand side by side in one answer `(N, K)`.

    Arguments are those of `OnnxSession`; `columns` tells where each output stands.
    """

    def __init__(
        self,
        path: Path,
        *,
        input_name: str,
        row_shape: tuple[int, ...],
        outputs: Mapping[str, tuple[int, ...]],
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        super().__init__(
            path, input_name=input_name, row_shape=row_shape, outputs=outputs, threads=threads, providers=providers
        )
        self.columns: dict[str, slice] = {}
        start = 0
        for name, shape in outputs.items():
            self.columns[name] = slice(start, start + prod(shape))
            start += prod(shape)
        self._width = start

    def __call__(self, rows: Rows) -> Rows:
        """All outputs for `(N, *row_shape)`, in the order asked."""
        stacked = np.empty((len(rows), self._width), np.float32)
        for answer, place in zip(self.run(rows), self.columns.values(), strict=True):
            stacked[:, place] = answer.reshape(len(rows), -1)
        return stacked


def _check_io(kind: str, found: Sequence[object], name: str, shape: tuple[int, ...]) -> None:
    tensors = {str(getattr(tensor, "name", "")): tensor for tensor in found}
    tensor = tensors.get(name)
    if tensor is None:
        raise ModelRejectedError(f"the model has no {kind} {name!r}; it has {sorted(tensors)}")
    datatype = getattr(tensor, "type", "")
    if datatype != "tensor(float)":
        raise ModelRejectedError(f"{kind} {name!r} is {datatype}; expected tensor(float)")
    declared = tuple(getattr(tensor, "shape", ()))
    fits = len(declared) == len(shape) + 1 and all(
        not isinstance(d, int) or d == want for d, want in zip(declared[1:], shape, strict=True)
    )
    if not fits or isinstance(declared[0], int):
        raise ModelRejectedError(
            f"{kind} {name!r} has shape {declared}; expected ({', '.join(map(str, ('N', *shape)))})"
        )
