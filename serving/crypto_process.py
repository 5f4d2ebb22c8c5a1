"""Puts the crypto predictor's process together."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from feature_repo.crypto import feature_digest
from feature_repo.online import Window, WindowReader
from runtime.registry.factory import open_registry
from serving.batcher import ModelThread
from serving.crypto_load import CryptoFamily
from serving.late import Late
from serving.lookup import WindowLookup
from serving.metrics import PredictorMetrics
from serving.settings import PredictorSettings
from serving.target import ModelTarget


class LateReader:
    """Makes the real reader at the first read, in the thread that reads: importing Feast takes seconds of CPU."""

    def __init__(self, make: Callable[[], WindowReader]) -> None:
        self._reader = Late(make)

    def read(self, unique_ids: Sequence[str]) -> list[Window | None]:
        """The latest window of each series, None where the store has none."""
        return self._reader().read(unique_ids)


def serve() -> None:
    """Serve the crypto forecaster until the process is asked to stop."""
    settings = PredictorSettings()
    from serving.server import PredictorServer

    metrics = PredictorMetrics(settings.model_name)
    lookup = WindowLookup(
        LateReader(_feast_reader),
        ThreadPoolExecutor(1, thread_name_prefix="features"),
        ttl_seconds=settings.feature_ttl_seconds,
        grace_seconds=settings.feature_grace_seconds,
        clock=time.monotonic,
    )
    family = CryptoFamily(settings, lookup, ModelThread(), metrics.batch)
    PredictorServer(settings, [crypto_target(settings, family, metrics)], open_registry).run()


def crypto_target(settings: PredictorSettings, family: CryptoFamily, metrics: PredictorMetrics) -> ModelTarget:
    """The one model of this process."""
    return ModelTarget(
        name=settings.model_name,
        registered_name=settings.registry_name,
        family=family,
        metrics=metrics,
        copy_dir=settings.copy_dir,
        trained_by="python -m pipelines run crypto-forecast --target local",
        version=settings.model_version,
    )


def _feast_reader() -> WindowReader:
    from feature_repo.online import FeastWindowReader

    return FeastWindowReader(feature_digest())
