"""What every target gives its tasks: the image that holds this very code, and the addresses of the services."""

from typing import TYPE_CHECKING

from runtime.revision import code_digest, code_revision

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

IMAGE_TAG_DIGITS = 12

ADDRESS_VARIABLES = ("AIO_MLFLOW_TRACKING_URI", "AIO_OBJECT_STORE_URL", "AIO_FEAST_PROFILE")
"""Addresses that every step needs and everyone may read."""

SECRET_VARIABLES = ("AIO_DATABASE_URL",)
"""Addresses that every step needs and that hold a password."""

OPTIONAL_VARIABLES = ("AIO_ENVIRONMENT", "CANDLES_SOURCE", "FEATURES_OFFLINE_STORE", "FEATURES_OFFLINE_LOCATION")
"""What some set-ups need beside the addresses; everyone may read it."""

OPTIONAL_SECRET_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "FEATURES_REDIS",
    "FEATURES_REGISTRY_URL",
    "MLFLOW_TRACKING_TOKEN",
)
"""The same, with passwords; absent where a step's identity suffices."""


def image_reference(image: str) -> str:
    """The image with the digest of the code as its tag, so that changed code is never served from a cache."""
    return f"{image}:{code_digest()[:IMAGE_TAG_DIGITS]}"


def bind_code(task: "PipelineTask", image: str) -> None:
    """Set the image of a task and tell it which commit it is, since an image holds no checkout."""
    task.set_container_image(image_reference(image))
    task.set_env_variable("AIO_CODE_REVISION", code_revision())
