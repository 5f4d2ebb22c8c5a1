"""The model registry on an MLflow server, with artifacts proxied through it."""

import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from runtime.bundle import MANIFEST, BundleError, read_bundle
from runtime.mlflow_calls import bound_mlflow_calls
from runtime.registry.packaging import BUNDLE_IN_MODEL, save_as_pyfunc
from runtime.registry.port import (
    ModelVersion,
    ModelVersionNotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

BUNDLE_DIGEST = "bundle_digest"

_PAGE_SIZE = 200
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_REFUSED = ("INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST")

P = ParamSpec("P")
T = TypeVar("T")


def _explained(method: Callable[P, T]) -> Callable[P, T]:
    """Turn MLflow's one kind of exception into the port's errors."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException  # type: ignore[import-untyped]

        try:
            return method(*args, **kwargs)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise ModelVersionNotFoundError(str(error)) from error
            if error.error_code in _REFUSED:
                raise RegistryRefusedError(f"MLflow refused the call: {error}") from error
            raise RegistryUnavailableError(f"MLflow did not answer; see that its server runs ({error})") from error
        except RequestException as error:
            raise RegistryUnavailableError(f"MLflow did not answer; see that its server runs ({error})") from error

    return wrapper


class MlflowRegistry:
    """One MLflow server; safe to share between threads.

    Calls are retried a few times and bounded in time, through MLflow's own `MLFLOW_HTTP_REQUEST_*` variables, which
    are set for this process unless they are set already.

    Args:
        tracking_uri: The server's HTTP address.
        timeout_seconds: Longest wait for one HTTP request.
    """

    def __init__(self, tracking_uri: str, *, timeout_seconds: float = 30.0) -> None:
        self._uri = tracking_uri
        bound_mlflow_calls(timeout_seconds)

    @_explained
    def register(self, name: str, bundle: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Store the bundle folder byte for byte as a new version, under the run that made it.

        The version appears only once every byte is stored, with all its tags and the bundle's digest among them.

        Raises:
            BundleError: The folder is not a whole bundle.
        """
        digest = read_bundle(bundle).digest
        model_id = self._upload(name, bundle, run_id)
        self._ensure_model(name)
        created = self._client.create_model_version(
            name,
            source=f"models:/{model_id}",
            run_id=run_id,
            model_id=model_id,
            tags={**tags, BUNDLE_DIGEST: digest},
            await_creation_for=0,
        )
        return self.version(name, created.version)

    @_explained
    def version(self, name: str, version: str) -> ModelVersion:
        """Look one version up; raise `ModelVersionNotFoundError`."""
        if not version.isdecimal():
            raise ModelVersionNotFoundError(f"{version!r} is no version of {name!r}; versions are numbers, such as '3'")
        return _from_mlflow(self._client.get_model_version(name, version))

    @_explained
    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """The version an alias points at, or None where the model or the alias does not exist."""
        from mlflow.exceptions import MlflowException

        try:
            model = self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise
        version = model.aliases.get(alias)
        return None if version is None else self.version(name, str(version))

    @_explained
    def versions(self, name: str) -> Sequence[ModelVersion]:
        """Every version of a model, newest first; empty for an unknown model."""
        query = "name = '{}'".format(name.replace("'", "''"))
        found: list[ModelVersion] = []
        token: str | None = None
        while True:
            page = self._client.search_model_versions(query, max_results=_PAGE_SIZE, page_token=token)
            found += [_from_mlflow(version) for version in page]
            token = page.token
            if not token:
                return sorted(found, key=lambda version: int(version.version), reverse=True)

    @_explained
    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self._client.set_registered_model_alias(name, alias, version)

    @_explained
    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set one tag of a version."""
        self._client.set_model_version_tag(name, version, key, value)

    @_explained
    def download(self, version: ModelVersion, destination: Path) -> Path:
        """Fetch the bundle into `destination/NAME-vVERSION` and return that path; the bytes are those registered.

        A whole bundle that is there already is not fetched again. A new one appears in one rename.

        Raises:
            BundleError: What arrived is not what was registered.
        """
        folder = destination / f"{version.name}-v{version.version}"
        expected = version.tags.get(BUNDLE_DIGEST)
        if _holds(folder, expected):
            return folder
        destination.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=destination) as partial:
            fetched = self._fetch(version, Path(partial))
            found = read_bundle(fetched).digest
            if expected is not None and found != expected:
                raise BundleError(
                    f"version {version.version} of {version.name} was registered as {expected} and arrived as {found}"
                )
            shutil.rmtree(folder, ignore_errors=True)
            fetched.replace(folder)
        return folder

    @functools.cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _upload(self, name: str, bundle: Path, run_id: str) -> str:
        """Log the bundle as a model of the run, loadable by `mlflow.pyfunc`; return the logged model's id."""
        from mlflow.entities import LoggedModelOutput

        client = self._client
        run = client.get_run(run_id)
        logged = client.create_logged_model(
            run.info.experiment_id, name=name.replace(".", "-"), source_run_id=run_id, model_type="onnx"
        )
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / "model"
            save_as_pyfunc(bundle, model, run_id=run_id, model_id=logged.model_id)
            client.log_model_artifacts(logged.model_id, str(model))
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return str(logged.model_id)

    def _fetch(self, version: ModelVersion, into: Path) -> Path:
        from mlflow.artifacts import download_artifacts

        # Not `models:/NAME/VERSION`: MLflow would ask the process-wide default registry for it.
        uri = self._client.get_model_version_download_uri(version.name, version.version)
        local = Path(download_artifacts(artifact_uri=uri, dst_path=str(into), tracking_uri=self._uri))
        bundle = local / BUNDLE_IN_MODEL
        if not (bundle / MANIFEST).is_file():
            raise BundleError(f"version {version.version} of {version.name} holds no bundle; register it again")
        return bundle


def _holds(folder: Path, expected: str | None) -> bool:
    try:
        return expected is not None and read_bundle(folder).digest == expected
    except BundleError:
        return False


def _from_mlflow(version: "MlflowVersion") -> ModelVersion:
    return ModelVersion(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id or "",
        tags=dict(version.tags),
        aliases=tuple(version.aliases),
        created_at_ms=int(version.creation_timestamp or 0),
    )
