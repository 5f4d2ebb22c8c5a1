"""Candidates, champion and the naive decision scored on the same held-out rows, with intervals and a report."""

from components.fraud.evaluation.contenders import CHAMPION, NAIVE
from components.fraud.evaluation.errors import EvaluationError
from components.fraud.evaluation.run import EvaluationReport, evaluate

__all__ = ["CHAMPION", "NAIVE", "EvaluationError", "EvaluationReport", "evaluate"]
