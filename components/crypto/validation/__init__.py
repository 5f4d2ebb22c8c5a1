"""Validation of candles: a Great Expectations suite, an outcome to stop on, and a page to read."""

from components.crypto.validation.outcome import SeriesStatistics, ValidationOutcome, ValidationStatistics
from components.crypto.validation.validate import validate_candles
from components.validation.outcome import CheckFailure

__all__ = ["CheckFailure", "SeriesStatistics", "ValidationOutcome", "ValidationStatistics", "validate_candles"]
