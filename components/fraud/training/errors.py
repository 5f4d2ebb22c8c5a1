"""What training refuses."""


class TrainingError(ValueError):
    """What was asked for cannot be trained."""


class ExportError(RuntimeError):
    """The exported graph is not the model that it was exported from."""
