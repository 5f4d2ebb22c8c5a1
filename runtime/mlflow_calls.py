"""How this process calls MLflow: bounded in time, quietly, without telemetry.

MLflow reads these from environment variables only, at every call; what is set already is left alone.
"""

import os

_MAX_RETRIES = 3


def bound_mlflow_calls(timeout_seconds: float) -> None:
    """Bound the wait for each HTTP request to MLflow and the number of retries, for this process."""
    defaults = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(timeout_seconds))),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(_MAX_RETRIES),
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
