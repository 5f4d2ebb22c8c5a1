"""The gateway on port 8000: it authenticates, limits, asks predictors and answers, and starts in about a second."""
