"""A bundle as MLflow stores models: the folder as it is, beside what lets MLflow load it by itself."""

import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from mlflow.models import ModelSignature
    from mlflow.types import TensorSpec
    from numpy.typing import NDArray

BUNDLE_IN_MODEL = Path("artifacts") / "bundle"
"""Where the bundle lies inside a stored model."""

_CODE = Path(__file__).with_name("bundle_model.py")
_PACKAGES = ("mlflow", "numpy", "onnxruntime")
_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}


def save_as_pyfunc(bundle: Path, model: Path, *, run_id: str, model_id: str) -> None:
    """Write a model folder that holds the bundle byte for byte and that `mlflow.pyfunc` loads.

    Args:
        bundle: The bundle's folder.
        model: The model's folder; must not exist.
        run_id: The run that made it.
        model_id: The logged model it becomes.
    """
    import mlflow.pyfunc
    from mlflow.models import Model

    signature = _signature(bundle / "model.onnx")
    with tempfile.TemporaryDirectory(dir=model.parent) as scratch:
        source = Path(scratch) / BUNDLE_IN_MODEL.name
        shutil.copytree(bundle, source, copy_function=_link_or_copy)
        mlflow.pyfunc.save_model(
            str(model),
            python_model=str(_CODE),
            artifacts={BUNDLE_IN_MODEL.name: str(source)},
            pip_requirements=[f"{package}=={version(package)}" for package in _PACKAGES],
            signature=signature,
            input_example=_example(signature),
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        )


def _link_or_copy(source: str, target: str) -> None:
    """MLflow takes no symbolic links; a hard link saves a copy where both lie on one disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _signature(graph: Path) -> "ModelSignature | None":
    """Inputs and outputs as the graph declares them; None where there is no graph."""
    if not graph.is_file():
        return None
    import numpy as np
    import onnxruntime
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])

    def spec(node: "onnxruntime.NodeArg") -> "TensorSpec":
        shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        return TensorSpec(np.dtype(_TYPES[node.type]), shape, name=node.name)

    return ModelSignature(
        inputs=Schema([spec(node) for node in session.get_inputs()]),
        outputs=Schema([spec(node) for node in session.get_outputs()]),
    )


def _example(signature: "ModelSignature | None") -> "dict[str, NDArray[np.generic]] | None":
    """One row of zeros for every input, so that the registry's page shows what a call looks like."""
    if signature is None:
        return None
    import numpy as np

    return {spec.name: np.zeros([max(1, size) for size in spec.shape], spec.type) for spec in signature.inputs.inputs}
