"""A real predictor process whose edges are folders: `python predictor_main.py FOLDER`; settings by environment."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))


def main(folder: Path) -> int:
    """Serve windows and versions from `folder`."""
    from predictor_kit import FolderRegistry, FolderWindows

    from runtime.logs import configure_logging
    from serving.batcher import ModelThread
    from serving.crypto_load import CryptoFamily
    from serving.crypto_process import crypto_target
    from serving.lookup import WindowLookup
    from serving.metrics import PredictorMetrics
    from serving.server import PredictorServer
    from serving.settings import PredictorSettings

    configure_logging("crypto-predictor")
    settings = PredictorSettings()
    metrics = PredictorMetrics(settings.model_name)
    lookup = WindowLookup(
        FolderWindows(folder / "windows"),
        ThreadPoolExecutor(1),
        ttl_seconds=settings.feature_ttl_seconds,
        grace_seconds=settings.feature_grace_seconds,
        clock=time.monotonic,
    )
    family = CryptoFamily(settings, lookup, ModelThread(), metrics.batch)
    target = crypto_target(settings, family, metrics)
    PredictorServer(settings, [target], lambda: FolderRegistry(folder / "registry")).run()
    return 0


if __name__ == "__main__":
    from serving.__main__ import leave

    leave(main(Path(sys.argv[1])))
