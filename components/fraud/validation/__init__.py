"""Validation of what detectors are trained on: Great Expectations suites, an outcome to stop on, and a page to read."""

from components.fraud.validation.statistics import KindCount, TableStatistics, ValidationError
from components.fraud.validation.suite import Tolerance
from components.fraud.validation.validate import ValidationOutcome, validate_table

__all__ = ["KindCount", "TableStatistics", "Tolerance", "ValidationError", "ValidationOutcome", "validate_table"]
