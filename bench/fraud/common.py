"""What the three benches share: folders, tables of results and scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.settings import REPOSITORY_ROOT, RuntimeSettings

DATA = REPOSITORY_ROOT.parent / "shared" / "data"

Array = npt.NDArray[np.float64]


def work_folder() -> Path:
    """Where the benches keep what they make."""
    folder = RuntimeSettings().state_dir / "bench" / "fraud"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats get three decimals."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def precision_recall_f1(fraud: npt.NDArray[np.bool_], flagged: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Precision, recall and F1 of a yes-or-no answer."""
    hits = float((fraud & flagged).sum())
    precision, recall = hits / max(float(flagged.sum()), 1.0), hits / max(float(fraud.sum()), 1.0)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)
