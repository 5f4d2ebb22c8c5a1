"""Crypto price distributions: candles, validation, features, forecasters, evaluation."""
