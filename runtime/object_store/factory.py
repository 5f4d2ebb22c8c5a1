"""From an address to an object store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from runtime.object_store.port import ObjectStore
from runtime.settings import runtime_settings


def open_object_store(url: str = "") -> ObjectStore:
    """Open the store at `file:///folder`, `s3://bucket/prefix` or `gs://bucket/prefix`.

    Args:
        url: The address; empty means the one in the settings.

    Raises:
        ValueError: The address is of no kind that is supported; names those that are.
    """
    address = url or runtime_settings().resolved_object_store_url
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        from runtime.object_store.local import LocalObjectStore

        return LocalObjectStore(Path(unquote(parts.path)))
    if parts.scheme in ("s3", "gs") and parts.netloc:
        from runtime.object_store.remote import RemoteObjectStore

        return RemoteObjectStore(address)
    raise ValueError(
        f"{address!r} is no object store address; use file:///folder, s3://bucket/prefix or gs://bucket/prefix"
    )
