"""Candidates, champion and baselines scored on the same held-out rows, with intervals and a report."""

from components.crypto.evaluation.contenders import CHAMPION, EvaluationError
from components.crypto.evaluation.run import EvaluationReport, evaluate_candidates

__all__ = ["CHAMPION", "EvaluationError", "EvaluationReport", "evaluate_candidates"]
