"""An ONNX model in memory: opened once, checked against its manifest, called from one thread at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class ModelRejectedError(ValueError):
    """A version cannot be served; says what is wrong with it."""


class OnnxModel:
    """One float tensor in, one float tensor out, the first axis free.

    Args:
        path: The ONNX file.
        input_name: Its input, FP32 `(N, *row_shape)`.
        output_name: The output that is asked for, FP32 `(N, *answer_shape)`.
        row_shape: Shape of one row.
        answer_shape: Shape of one row's answer.
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
        output_name: str,
        row_shape: tuple[int, ...],
        answer_shape: tuple[int, ...],
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
        self._input_name = input_name
        self._outputs = [output_name]
        self._answer_shape = answer_shape
        self._check_io("input", self._session.get_inputs(), input_name, row_shape)
        self._check_io("output", self._session.get_outputs(), output_name, answer_shape)

    def __call__(self, rows: Rows) -> Rows:
        """Call the model on `(N, *row_shape)`; raise ValueError if what comes back is misshapen."""
        answer: Rows = self._session.run(self._outputs, {self._input_name: rows})[0]
        expected = (len(rows), *self._answer_shape)
        if answer.shape != expected:
            raise ValueError(f"the model answered {rows.shape} with {answer.shape}; expected {expected}")
        return answer

    def _check_io(self, kind: str, found: Sequence[object], name: str, shape: tuple[int, ...]) -> None:
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
                f"{kind} {name!r} has shape {declared}; expected (N, {', '.join(map(str, shape))})"
            )
