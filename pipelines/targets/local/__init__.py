"""Runs pipelines on this machine through the local runner of Kubeflow Pipelines, one subprocess a step."""

from pipelines.targets.local.record import RunRecord, StepRecord, read_last_run
from pipelines.targets.local.target import LocalTarget

__all__ = ["LocalTarget", "RunRecord", "StepRecord", "read_last_run"]
