"""Object storage: a local folder by default, S3 or Google Cloud Storage when set."""

from runtime.object_store.factory import open_object_store
from runtime.object_store.port import ObjectExistsError, ObjectNotFoundError, ObjectStore

__all__ = ["ObjectExistsError", "ObjectNotFoundError", "ObjectStore", "open_object_store"]
