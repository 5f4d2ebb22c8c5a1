"""Fraud detectors: card transactions, network flows, crypto accounts."""
