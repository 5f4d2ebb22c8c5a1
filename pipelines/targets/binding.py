"""What every target gives its tasks: the image that holds this very code, and the addresses of the services."""

from typing import TYPE_CHECKING

from runtime.revision import code_digest, code_revision

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

IMAGE_TAG_DIGITS = 12

ADDRESS_VARIABLES = ("AIO_MLFLOW_TRACKING_URI", "AIO_OBJECT_STORE_URL", "AIO_FEAST_PROFILE")
"""Addresses that may be read by everyone."""

SECRET_VARIABLES = ("AIO_DATABASE_URL",)
"""Addresses that hold a password."""

CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_TOKEN")
"""What a step presents to the object store and to MLflow where its identity does not suffice."""


def image_reference(image: str) -> str:
    """The image with the digest of the code as its tag, so that changed code is never served from a cache."""
    return f"{image}:{code_digest()[:IMAGE_TAG_DIGITS]}"


def bind_code(task: "PipelineTask", image: str) -> None:
    """Set the image of a task and tell it which commit it is, since an image holds no checkout."""
    task.set_container_image(image_reference(image))
    task.set_env_variable("AIO_CODE_REVISION", code_revision())
