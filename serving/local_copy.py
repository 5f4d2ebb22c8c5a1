"""Versions kept on this machine, so that a restart serves at once, also while the registry is down."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from runtime.bundle import Bundle, BundleError, read_bundle
from runtime.logs import get_logger

SERVED = "served.json"

logger = get_logger(__name__)


@dataclass(frozen=True)
class Copy:
    """A verified bundle on this machine and the version it is."""

    version: str
    bundle: Bundle


class LocalCopies:
    """A folder of bundles, each named by version and digest, and a note of the one served last.

    The digest is in the name because a registry that was rebuilt counts its versions from 1 again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def last_served(self) -> Copy | None:
        """The version served last, verified; None where there is none or it was damaged."""
        try:
            note = json.loads((self.root / SERVED).read_bytes())
            version, folder = str(note["version"]), self.root / str(note["folder"])
            return Copy(version, read_bundle(folder))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("the local copy of the version served last is unusable", exc_info=error)
            return None

    def find(self, version: str, digest: str) -> Copy | None:
        """A whole copy of this version with this bundle digest, if there is one."""
        folder = self._folder(version, digest)
        if not digest or not folder.is_dir():
            return None
        try:
            bundle = read_bundle(folder)
        except BundleError as error:
            logger.warning("a local copy was damaged and is fetched again", version=version, exc_info=error)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return Copy(version, bundle) if bundle.digest == digest else None

    def incoming(self, version: str) -> Path:
        """An empty folder to download into, this process's alone."""
        folder = self.root / f"incoming-{version}-{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def adopt(self, version: str, downloaded: Path) -> Copy:
        """Verify a download and give it its place; raise BundleError if it is not whole."""
        bundle = read_bundle(downloaded)
        folder = self._folder(version, bundle.digest)
        if not folder.is_dir():
            downloaded.replace(folder)
        return Copy(version, read_bundle(folder))

    def remember(self, copy: Copy) -> None:
        """Note that this version is served, durably, and forget others but the one before."""
        note = {"version": copy.version, "folder": copy.bundle.path.name, "bundle_digest": copy.bundle.digest}
        before = self._noted_folder()
        partial = self.root / f"{SERVED}.{os.getpid()}"
        with partial.open("w") as stream:
            json.dump(note, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.root / SERVED)
        self._prune({copy.bundle.path.name, before})

    def discard(self, folder: Path) -> None:
        """Remove what is left of a download."""
        shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, version: str, digest: str) -> Path:
        return self.root / f"{version}-{digest[:16]}"

    def _noted_folder(self) -> str:
        try:
            return str(json.loads((self.root / SERVED).read_bytes())["folder"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _prune(self, keep: set[str]) -> None:
        for folder in self.root.iterdir():
            if folder.is_dir() and folder.name not in keep and not folder.name.startswith("incoming-"):
                shutil.rmtree(folder, ignore_errors=True)
