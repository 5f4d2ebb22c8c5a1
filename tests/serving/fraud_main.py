"""A real fraud predictor whose edges are folders: `python fraud_main.py FOLDER`; settings by environment."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))


def main(folder: Path) -> int:
    """Serve states and versions from `folder`."""
    from fraud_kit import FolderRegistries, FolderStates

    from runtime.logs import configure_logging
    from serving.fraud_explain import Explanations
    from serving.fraud_process import fraud_targets
    from serving.fraud_settings import FraudSettings
    from serving.server import PredictorServer

    configure_logging("fraud-predictor")
    settings = FraudSettings()
    states = FolderStates(folder / "states")
    explanations = Explanations(settings.explain_queue_rows)
    targets = fraud_targets(settings, lambda: states, explanations)
    PredictorServer(settings, targets, lambda: FolderRegistries(folder / "registry")).run()  # type: ignore[arg-type,return-value]
    explanations.close()
    return 0


if __name__ == "__main__":
    from serving.__main__ import leave

    leave(main(Path(sys.argv[1])))
