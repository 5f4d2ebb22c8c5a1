"""Puts the fraud predictor's process together: three detectors, each a model with its own thread and champion."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from prometheus_client import REGISTRY

from components.fraud.detectors import DETECTORS
from feature_repo.fraud_online import CardStateReader
from runtime.registry.factory import open_registry
from serving.batcher import ModelThread
from serving.fraud_card_states import CardStates
from serving.fraud_explain import Explanations
from serving.fraud_load import FraudFamily
from serving.fraud_records import CardRecords, EncodedRecords, RecordSource
from serving.fraud_settings import Detector, FraudSettings
from serving.late import Late
from serving.metrics import MetricFamilies, PredictorMetrics
from serving.target import ModelTarget

ORDER: tuple[Detector, ...] = ("card", "network", "crypto")


def serve() -> None:
    """Serve the detectors until the process is asked to stop."""
    settings = FraudSettings()
    from serving.server import PredictorServer

    explanations = Explanations(settings.explain_queue_rows)
    try:
        PredictorServer(settings, fraud_targets(settings, Late(_feast_reader), explanations), open_registry).run()
    finally:
        explanations.close()


def fraud_targets(
    settings: FraudSettings, states: Callable[[], CardStateReader], explanations: Explanations
) -> list[ModelTarget]:
    """The models of the process.

    Args:
        settings: Which are required, which versions are pinned.
        states: Gives the reader of card states; called in the thread that reads.
        explanations: Explains scores of all of them.
    """
    metrics = MetricFamilies(REGISTRY)
    compute = ThreadPoolExecutor(1, thread_name_prefix="features")
    return [_target(name, settings, states, compute, explanations, metrics) for name in ORDER]


def _target(
    name: Detector,
    settings: FraudSettings,
    states: Callable[[], CardStateReader],
    compute: Executor,
    explanations: Explanations,
    families: MetricFamilies,
) -> ModelTarget:
    detector = DETECTORS[name]
    records: RecordSource = EncodedRecords(detector, compute)
    if name == "card":
        lookup = CardStates(
            states,
            ThreadPoolExecutor(1, thread_name_prefix="states"),
            ttl_seconds=settings.state_ttl_seconds,
            most_kept=settings.kept_states,
            clock=time.monotonic,
        )
        records = CardRecords(detector, lookup, compute)
    metrics = PredictorMetrics(detector.model, families)
    return ModelTarget(
        name=detector.model,
        registered_name=detector.model,
        family=FraudFamily(detector, settings, records, explanations, ModelThread(), metrics.batch),
        metrics=metrics,
        copy_dir=settings.copy_dir(detector.model),
        trained_by=detector.train_command,
        version=settings.version(name),
        required=name in settings.required,
    )


def _feast_reader() -> CardStateReader:
    from feature_repo.fraud_online import FeastCardStates

    return FeastCardStates()
