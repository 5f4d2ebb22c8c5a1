"""Which code runs: the commit for people, a digest of the sources for caches and images."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from runtime.settings import REPOSITORY_ROOT

PACKAGES = ("brain", "components", "feature_repo", "gcp", "local", "pipelines", "runtime", "serving")
"""The repository's packages, the sources that `code_digest` covers."""

REVISION_VARIABLE = "AIO_CODE_REVISION"
UNKNOWN = "unknown"

_SOURCE_SUFFIXES = frozenset({".py", ".pyi", ".json", ".yaml", ".yml", ".toml", ".sql", ".html", ".css", ".js", ".j2"})
_GIT_TIMEOUT_SECONDS = 10


@lru_cache(maxsize=8)
def code_revision(root: Path = REPOSITORY_ROOT) -> str:
    """The commit of the checkout, with `-dirty` if tracked files differ from it.

    Without a checkout (an image, an installed wheel) it is `AIO_CODE_REVISION`, and `unknown` without that.
    """
    if (root / ".git").exists():
        commit = _git(root, "rev-parse", "HEAD")
        if commit:
            changed = _git(root, "status", "--porcelain", "--untracked-files=no")
            return f"{commit}-dirty" if changed else commit
    return os.environ.get(REVISION_VARIABLE, "").strip() or UNKNOWN


@lru_cache(maxsize=8)
def code_digest(root: Path = REPOSITORY_ROOT) -> str:
    """SHA-256 over names and bytes of the packages' source files, 64 hex digits; the same in any folder."""
    digest = hashlib.sha256()
    for file in _sources(root):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        found = (path for path in (root / package).rglob("*") if path.suffix in _SOURCE_SUFFIXES and path.is_file())
        yield from sorted(path for path in found if "__pycache__" not in path.parts)


def _git(root: Path, *arguments: str) -> str:
    """Output of a git command; empty if git is absent, refuses the folder or takes too long."""
    command = ["git", "-C", str(root), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECONDS, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
