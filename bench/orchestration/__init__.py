"""Measures of orchestration against calling predictors directly."""
