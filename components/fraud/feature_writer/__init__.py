"""Follows the decision log and mirrors the states of customers and terminals to the feature store."""
