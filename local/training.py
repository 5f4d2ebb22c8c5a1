"""The first champions: which are missing, and their training."""

import httpx

from local.launch import LaunchError, Platform, run
from local.programs import HOST

FIRST_CHAMPIONS = {"crypto-forecast-1h": "crypto-forecast", "fraud-card": "fraud-detection"}
"""Models that the platform does not come up without, and the pipeline that trains each from what is shipped."""


def champion(platform: Platform, model: str) -> str | None:
    """The version that the champion alias points at, or None before the first promotion."""
    address = f"http://{HOST}:{platform.local.mlflow_port}/api/2.0/mlflow/registered-models/alias"
    answer = httpx.get(address, params={"name": model, "alias": "champion"}, timeout=30)
    if answer.status_code == httpx.codes.NOT_FOUND or answer.status_code == httpx.codes.BAD_REQUEST:
        return None
    answer.raise_for_status()
    return str(answer.json()["model_version"]["version"])


def train_first_champions(platform: Platform) -> None:
    """Train what has no champion yet.

    Raises:
        LaunchError: A training failed, or ended without a champion.
    """
    missing = {model: pipeline for model, pipeline in FIRST_CHAMPIONS.items() if champion(platform, model) is None}
    for model, pipeline in missing.items():
        _say_missing(platform, model)
        run(platform, "Training", *_arguments(platform, pipeline), shown=True)
        _check_champion(platform, model, pipeline)


def _say_missing(platform: Platform, model: str) -> None:
    platform.console.print(f"{model} has no champion yet: training the first one ({platform.local.profile} profile)")


def _arguments(platform: Platform, pipeline: str) -> tuple[str, ...]:
    return ("-m", "pipelines", "run", pipeline, "--target", "local", "--profile", platform.local.profile)


def _check_champion(platform: Platform, model: str, pipeline: str) -> None:
    if champion(platform, model) is None:
        raise LaunchError(
            f"the {pipeline} run ended without a champion: the gate's page says why no candidate became one; "
            f"it is in MLflow, http://{HOST}:{platform.local.mlflow_port}"
        )
