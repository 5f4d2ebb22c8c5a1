"""What an evaluation refuses."""


class EvaluationError(ValueError):
    """What was to be evaluated cannot be, or a model answers what no detector can."""
