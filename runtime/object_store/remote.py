"""Objects in S3 or Google Cloud Storage, through obstore."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runtime.object_store.names import checked_name
from runtime.object_store.port import ObjectExistsError, ObjectNotFoundError

if TYPE_CHECKING:
    from obstore.store import GCSStore, S3Store

_CONNECT_TIMEOUT = timedelta(seconds=10)
_REQUEST_TIMEOUT = timedelta(minutes=5)
_RETRY_TIMEOUT = timedelta(minutes=2)
_MAX_RETRIES = 6


class ObjectStoreUnavailableError(RuntimeError):
    """The store could not be reached or refused the call; the cause is chained."""


class RemoteObjectStore:
    """One bucket and prefix; credentials and endpoints come from the provider's usual environment variables.

    S3 reads `AWS_*` (`AWS_ENDPOINT_URL` for a store of one's own), Google reads `GOOGLE_*`
    and `STORAGE_EMULATOR_HOST`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = _connect(url)

    def put(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Write one object durably; with `overwrite=False` raise `ObjectExistsError` if the name is taken."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        key = checked_name(name)
        try:
            if overwrite:
                obstore.put(self._store, key, data)
            else:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
        except AlreadyExistsError as error:
            raise ObjectExistsError(f"an object named {name!r} exists; objects are not overwritten here") from error
        except (BaseError, FileNotFoundError) as error:  # the latter: there is no such bucket
            raise self._unavailable("write", name) from error

    def get(self, name: str) -> bytes:
        """Read one object; raise `ObjectNotFoundError`."""
        import obstore
        from obstore.exceptions import BaseError

        key = checked_name(name)
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError as error:
            raise ObjectNotFoundError(name) from error
        except BaseError as error:
            raise self._unavailable("read", name) from error

    def exists(self, name: str) -> bool:
        """Tell whether the name is taken."""
        import obstore
        from obstore.exceptions import BaseError

        key = checked_name(name)
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        except BaseError as error:
            raise self._unavailable("look up", name) from error
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield names that begin with `prefix`, in lexicographic order."""
        import obstore
        from obstore.exceptions import BaseError

        folder = prefix.rpartition("/")[0]
        key = checked_name(folder) if folder else None
        try:
            found = [entry["path"] for batch in obstore.list(self._store, prefix=key) for entry in batch]
        except (BaseError, FileNotFoundError) as error:
            raise self._unavailable("list", prefix) from error
        yield from sorted(name for name in found if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Remove one object; a name that is not there is no error."""
        import obstore
        from obstore.exceptions import BaseError

        key = checked_name(name)
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise self._unavailable("delete", name) from error

    def _unavailable(self, verb: str, name: str) -> ObjectStoreUnavailableError:
        return ObjectStoreUnavailableError(
            f"could not {verb} {name!r} in {self._url}; check the address, the credentials and the bucket"
        )


def _connect(url: str) -> "S3Store | GCSStore":
    from obstore.store import GCSStore, S3Store

    parts = urlsplit(url)
    bucket, prefix = parts.netloc, parts.path.strip("/") or None
    endpoint = os.environ.get("STORAGE_EMULATOR_HOST" if parts.scheme == "gs" else "AWS_ENDPOINT_URL", "")
    client = {
        "connect_timeout": _CONNECT_TIMEOUT,
        "timeout": _REQUEST_TIMEOUT,
        "allow_http": endpoint.startswith("http://"),
    }
    retry = {"max_retries": _MAX_RETRIES, "retry_timeout": _RETRY_TIMEOUT}
    if parts.scheme == "gs":
        emulator = {"base_url": endpoint, "bearer_token": "emulator"} if endpoint else {}
        return GCSStore(bucket, prefix=prefix, config=emulator, client_options=client, retry_config=retry)
    return S3Store(bucket, prefix=prefix, client_options=client, retry_config=retry)
