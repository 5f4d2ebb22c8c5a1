"""A model version as a folder: written once, verified whenever it is read.

The manifest carries the SHA-256 of every other file, so that the evaluated bytes can be shown to be the served bytes.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.signature import Signature, with_signature

MANIFEST = "bundle.json"


class BundleError(ValueError):
    """The folder is not a whole, unchanged bundle."""


class BundleManifest(BaseModel):
    """What a version of any family says of itself; a family's own fields stand beside these, in `model_extra`.

    `network` is the kind of model, `feature_names` are in the model's input order.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    family: str
    name: str
    network: str
    feature_names: tuple[str, ...]
    feature_digest: str
    data_digest: str
    code_revision: str
    created_at: str
    files: Mapping[str, str]
    signature: Signature


class Bundle(BaseModel):
    """A verified bundle on local disk; `digest` is the SHA-256 of its manifest."""

    model_config = ConfigDict(frozen=True)

    path: Path
    manifest: BundleManifest
    digest: str


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_bundle(folder: Path, files: Mapping[str, Path], manifest: Mapping[str, object]) -> Bundle:
    """Copy `files` into a new folder and seal it with a manifest.

    Args:
        folder: Where the bundle goes; must not exist.
        files: Bundle-relative name → source file.
        manifest: Every `BundleManifest` field but `files`.

    Raises:
        BundleError: The folder exists, or the manifest lacks a field.
    """
    if folder.exists():
        raise BundleError(f"a bundle is written once, and {folder} exists; choose another folder")
    staging = folder.with_name(folder.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name, source in files.items():
        target = staging / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    digests = {name: file_digest(staging / name) for name in sorted(files)}
    try:
        sealed = BundleManifest.model_validate({**manifest, "files": digests})
    except ValidationError as error:
        raise BundleError(f"the manifest is incomplete: {error}") from error
    (staging / MANIFEST).write_text(json.dumps(sealed.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
    staging.replace(folder)
    return read_bundle(folder)


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle and check every file against the manifest.

    Raises:
        BundleError: No manifest, an unreadable one, or a file that is missing or changed; names the file.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} holds no {MANIFEST}, so it is not a bundle")
    try:
        manifest = _parsed(json.loads(path.read_bytes()))
    except ValueError as error:
        raise BundleError(f"{path} is not a valid manifest: {error}") from error
    for name, expected in manifest.files.items():
        file = folder / name
        found = file_digest(file) if file.is_file() else "no such file"
        if found != expected:
            raise BundleError(f"{name} in {folder} does not match its manifest: expected {expected}, found {found}")
    return Bundle(path=folder, manifest=manifest, digest=file_digest(path))


def _parsed(document: object) -> BundleManifest:
    return BundleManifest.model_validate(with_signature(document) if isinstance(document, dict) else document)
