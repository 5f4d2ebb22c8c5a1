"""Validation of candles: a Great Expectations suite, an outcome to stop on, and a page to read."""

from components.crypto.validation.outcome import CheckFailure, SeriesStatistics, ValidationOutcome, ValidationStatistics
from components.crypto.validation.validate import validate_candles

__all__ = ["CheckFailure", "SeriesStatistics", "ValidationOutcome", "ValidationStatistics", "validate_candles"]
