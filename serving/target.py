"""One model that a process is to serve."""

from dataclasses import dataclass
from pathlib import Path

from serving.metrics import PredictorMetrics
from serving.tensors import Family


@dataclass(frozen=True)
class ModelTarget:
    """Which model, from where, and what opens its versions.

    Attributes:
        name: In every path and answer.
        registered_name: In the registry.
        family: Opens its versions.
        metrics: Told of its predictions and reloads.
        copy_dir: Where its versions are kept on this machine.
        trained_by: The command that makes a first champion, told while there is none.
        version: Serve exactly this version; empty follows the champion.
        required: Whether the process is unready without it.
    """

    name: str
    registered_name: str
    family: Family
    metrics: PredictorMetrics
    copy_dir: Path
    trained_by: str
    version: str = ""
    required: bool = True
