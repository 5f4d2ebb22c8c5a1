"""Measures of durable execution: our own run store beside DBOS."""
