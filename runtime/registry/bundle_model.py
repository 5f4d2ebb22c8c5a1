"""How MLflow itself loads a registered bundle: MLflow copies this file into the version and runs it there.

It must stand alone: whoever loads a version with `mlflow.pyfunc` needs no checkout of this repository.
"""

from collections.abc import Mapping
from pathlib import Path

import mlflow.models
import numpy as np
import onnxruntime
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray


class _Graph:
    """Runs the bundle's `model.onnx`: named arrays in, named arrays out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the graph with one thread; MLflow asks for the argument's name."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = Path(context.artifacts["bundle"]) / "model.onnx"
        if not graph.is_file():
            raise FileNotFoundError(f"this version's bundle holds no {graph.name}, so MLflow alone cannot run it")
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    # MLflow would read a type hint on `model_input` as a schema of its own, beside the signature.
    def predict(  # type: ignore[no-untyped-def]
        self,
        context: PythonModelContext,
        model_input,  # noqa: ANN001
        params: Mapping[str, object] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Score named arrays, each with the rows along its first axis."""
        outputs = [output.name for output in self._session.get_outputs()]
        return dict(zip(outputs, self._session.run(outputs, dict(model_input)), strict=True))


class BundleModel(_Graph, PythonModel):  # type: ignore[misc]  # MLflow has no types
    """The same for MLflow, which would warn of a `predict` without type hints in this very class."""


mlflow.models.set_model(BundleModel())
