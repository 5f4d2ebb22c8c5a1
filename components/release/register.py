"""From a bundle to a version that may be promoted."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.release.candidate import content_digest
from runtime.bundle import Bundle, read_bundle
from runtime.logs import get_logger
from runtime.registry import ModelRegistry, ModelVersion

STATUS = "status"
CANDIDATE = "candidate"
ELIGIBLE = "eligible"
REJECTED = "rejected"
CONTENT_DIGEST = "content_digest"
BUNDLE_DIGEST = "bundle_digest"

_log = get_logger(__name__)


def register_candidate(
    registry: ModelRegistry, bundle: Path, *, run_id: str, name: str = "", tags: Mapping[str, str] | None = None
) -> ModelVersion:
    """Register a bundle and, once it came back whole, mark it eligible.

    Doing it again, also after a kill at any point, finds the version that holds the same content and finishes it.

    Args:
        registry: Where to.
        bundle: The bundle's folder.
        run_id: The MLflow run that made it.
        name: Registered model; empty means the one in the manifest.
        tags: Further tags of the version.

    Returns:
        The version, `eligible`; `rejected` if a person or a smoke test rejected the same content before.

    Raises:
        BundleError: The folder is not a bundle, or the registry gives back other bytes.
        RegistryUnavailableError: The registry does not answer; do it again later.
    """
    sealed = read_bundle(bundle)
    model = name or sealed.manifest.name
    content = content_digest(sealed)
    version = _registered(registry, model, content)
    if version is None:
        version = registry.register(model, bundle, run_id=run_id, tags={**(tags or {}), **_tags(sealed, content)})
        _log.info("version registered", model=model, version=version.version, network=sealed.manifest.network)
    if version.tags.get(STATUS) != CANDIDATE:
        return version
    with tempfile.TemporaryDirectory() as scratch:
        registry.download(version, Path(scratch))  # raises unless the bytes are those registered
    registry.set_tag(model, version.version, STATUS, ELIGIBLE)
    _log.info("version eligible", model=model, version=version.version)
    return registry.version(model, version.version)


def _registered(registry: ModelRegistry, model: str, content: str) -> ModelVersion | None:
    same = (version for version in registry.versions(model) if version.tags.get(CONTENT_DIGEST) == content)
    return next(same, None)


def _tags(bundle: Bundle, content: str) -> dict[str, str]:
    manifest = bundle.manifest
    extra = manifest.model_extra or {}
    named = extra.get("tags") or ()
    return {
        **{name: _tag(extra[name]) for name in named if name in extra},
        STATUS: CANDIDATE,
        CONTENT_DIGEST: content,
        "family": manifest.family,
        "network": manifest.network,
        "baseline": _tag(bool(extra.get("baseline"))),
        "data_digest": manifest.data_digest,
        "feature_digest": manifest.feature_digest,
        "code_revision": manifest.code_revision,
    }


def _tag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
