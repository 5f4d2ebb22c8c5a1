"""From a candidate folder, which a family's training leaves, to a sealed bundle."""

import hashlib
import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from components.release.errors import CandidateFolderError
from components.release.model_card import model_card
from runtime.bundle import Bundle, write_bundle
from runtime.revision import code_digest, code_revision
from runtime.signature import Signature

CANDIDATE = "candidate.json"
MODEL = "model.onnx"

Parameter = bool | int | float | str | None

_FILES = (MODEL, "input_statistics.json", "calibration.json")
_ENVIRONMENT = ("numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "scikit-learn", "torch", "xgboost", "xgboost-cpu")
_UNRELATED_TO_CONTENT = frozenset({"created_at", "code_revision", "code_digest", "environment"})


_OUTSIDE_THE_MANIFEST = {"seconds", "files", "card"}


class CardText(BaseModel):
    """The family's part of the model card: what the model does, what it was trained on, what it is not for."""

    model_config = ConfigDict(frozen=True)

    does: str = ""
    data: Mapping[str, str] = Field(default_factory=dict)
    limits: str = ""


class Candidate(BaseModel):
    """What training says of a candidate in `candidate.json`; the family's own fields go into the manifest as they are.

    `files` are further files of the folder that go into the bundle under the same names; `tags` are the names of those
    own fields, each a text, a number or a truth value, that become tags of the registered version.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    network: str
    feature_names: tuple[str, ...]
    feature_digest: str
    data_digest: str
    signature: Signature
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    card: CardText = CardText()
    baseline: bool = False
    metrics: Mapping[str, float] = Field(default_factory=dict)
    parameters: Mapping[str, Parameter] = Field(
        default_factory=dict, validation_alias=AliasChoices("parameters", "params")
    )
    seconds: float = 0.0


def read_candidate(folder: Path) -> Candidate:
    """Read a candidate's description and check that its files are there.

    Raises:
        CandidateFolderError: Something is missing or cannot be read; names it.
    """
    _require(folder, (*_FILES, CANDIDATE))
    try:
        described = Candidate.model_validate_json((folder / CANDIDATE).read_bytes())
    except ValidationError as error:
        raise CandidateFolderError(f"{folder / CANDIDATE} cannot be read: {error}") from error
    outside = [name for name in described.files if not _inside(name)]
    if outside:
        raise CandidateFolderError(f"{folder / CANDIDATE} names files outside its folder: {', '.join(outside)}")
    _require(folder, described.files)
    own = described.model_extra or {}
    untold = [name for name in described.tags if not isinstance(own.get(name), bool | int | float | str)]
    if untold:
        raise CandidateFolderError(
            f"{folder / CANDIDATE} wants tags of {', '.join(untold)}, which it does not hold as plain values"
        )
    return described


def _require(folder: Path, names: Sequence[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CandidateFolderError(f"{folder} is no finished candidate, it lacks {', '.join(missing)}; train it again")


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def make_bundle(
    candidate: Path,
    output: Path,
    *,
    family: str,
    name: str,
    report_html: Path,
    evaluation: Mapping[str, float] | None = None,
    limits: str = "",
) -> Bundle:
    """Seal a candidate as a bundle, with its report and a model card.

    Args:
        candidate: The folder that training left.
        output: The bundle's folder; must not exist.
        family: Such as `crypto`.
        name: The registered model it is to be a version of, such as `crypto-forecast-1h`.
        report_html: The evaluation it was scored in.
        evaluation: Its scores on held-out rows, for the card and the manifest.
        limits: Further limits of this version, for the card.

    Raises:
        CandidateFolderError: The candidate is unfinished.
        BundleError: `output` exists.
    """
    described = read_candidate(candidate)
    if not report_html.is_file():
        raise CandidateFolderError(f"there is no evaluation report at {report_html}; evaluate the candidate first")
    scores = {key: float(value) for key, value in sorted((evaluation or {}).items())}
    manifest: dict[str, object] = {
        **described.model_dump(mode="json", exclude=_OUTSIDE_THE_MANIFEST),
        "family": family,
        "name": name,
        "evaluation": scores,
        "environment": environment(),
        "code_revision": code_revision(),
        "code_digest": code_digest(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with tempfile.TemporaryDirectory() as scratch:
        card = Path(scratch) / "model_card.md"
        card.write_text(model_card(described, family=family, name=name, evaluation=scores, limits=limits))
        files = {file: candidate / file for file in (*_FILES, *described.files)}
        return write_bundle(output, {**files, "report.html": report_html, "model_card.md": card}, manifest)


def content_digest(bundle: Bundle) -> str:
    """SHA-256 of what the bundle holds, leaving out when and where it was sealed.

    A step that is run again after a kill seals the same candidate at another time; this tells that it is the same.
    """
    manifest = bundle.manifest.model_dump(mode="json")
    content = {key: value for key, value in manifest.items() if key not in _UNRELATED_TO_CONTENT}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def environment() -> dict[str, str]:
    """Python, platform and the versions of the numerical libraries that are installed here."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _ENVIRONMENT:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
