"""The first champions: which are missing, and their training, at the same time where the machine has the room."""

import sys
from collections.abc import Mapping

import httpx

from local.capacity import against_together
from local.launch import LaunchError, Platform, run
from local.programs import HOST
from local.together import RunsFailedError, run_together

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
    """Train what has no champion yet; the first failure ends the other trainings.

    Raises:
        LaunchError: A training failed, or ended without a champion.
    """
    missing = {model: pipeline for model, pipeline in FIRST_CHAMPIONS.items() if champion(platform, model) is None}
    against = against_together(len(missing), platform.local) if len(missing) > 1 else ""
    if against:
        platform.console.print(f"Training one after the other: {against}")
    if len(missing) > 1 and not against:
        _train_together(platform, missing)
        return
    for model, pipeline in missing.items():
        _say_missing(platform, model)
        run(platform, "Training", *_arguments(platform, pipeline), shown=True)
        _check_champion(platform, model, pipeline)


def _train_together(platform: Platform, missing: Mapping[str, str]) -> None:
    models = {pipeline: model for model, pipeline in missing.items()}
    for model in missing:
        _say_missing(platform, model)
    try:
        run_together(
            {pipeline: (sys.executable, *_arguments(platform, pipeline)) for pipeline in models},
            platform.run_environment,
            platform.console,
            platform.local.stop_timeout_seconds,
            ended=lambda pipeline: _check_champion(platform, models[pipeline], pipeline),
        )
    except RunsFailedError as error:
        raise LaunchError(f"Training failed, see above: {error}; a run beside it was ended") from error


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
