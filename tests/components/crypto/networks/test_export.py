from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from components.crypto.calibration import Calibration
from components.crypto.export import MAX_BATCH_ROWS, ExportError, Graph, export_onnx, verify_export
from components.crypto.networks import Calibrated, Ensemble, Forecaster

Windows = Callable[..., torch.Tensor]
Exported = tuple[torch.nn.Module, bytes]


@pytest.fixture(scope="module")
def exported(make_forecaster: Callable[[int], Forecaster], windows: Windows) -> Exported:
    """A calibrated ensemble of two members, and its graph."""
    corrections = np.random.default_rng(0).normal(0.0, 0.1, (6, 3)).astype(np.float32)
    model = Calibrated(Ensemble([make_forecaster(1), make_forecaster(2)]), Calibration(corrections, 100)).eval()
    return model, export_onnx(model, windows(64).numpy())


@pytest.mark.parametrize("rows", [1, 2, 5, 1024])
def test_the_exported_graph_is_the_model_at_any_batch_size(exported: Exported, windows: Windows, rows: int) -> None:
    model, graph = exported
    batch = windows(rows, seed=rows)
    found = Graph(graph)(batch.numpy())
    expected = model(batch).detach().numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert (np.diff(found, axis=-1) >= 0).all()


def test_input_and_output_have_the_names_and_shapes_of_the_contract(exported: Exported) -> None:
    graph = onnx.load_from_string(exported[1]).graph
    shapes = {
        value.name: [axis.dim_value or "any" for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"window": ["any", 12, 44], "quantiles": ["any", 6, 7]}
    assert MAX_BATCH_ROWS >= 1024


def test_a_graph_of_another_model_is_refused(
    exported: Exported, make_forecaster: Callable[[int], Forecaster], windows: Windows
) -> None:
    with pytest.raises(ExportError, match="differ by"):
        verify_export(exported[1], make_forecaster(3), windows(8).numpy())
