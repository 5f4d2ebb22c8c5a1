"""The overlays as a cluster would receive them."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("local", "production", "gke")

Resource = Mapping[str, object]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Overlay → file with everything it applies."""
    if shutil.which("kubectl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("kubectl is not installed, and under CI nothing may skip for a missing package")
        pytest.skip("kubectl (kubernetes-client) is not installed")
    copy = tmp_path_factory.mktemp("kustomize") / "manifests"
    shutil.copytree(ROOT / "manifests", copy)
    example = copy / "overlays" / "local" / "secrets.example.env"
    shutil.copyfile(example, example.with_name("secrets.env"))
    files = {}
    for overlay in OVERLAYS:
        done = subprocess.run(
            ["kubectl", "kustomize", str(copy / "overlays" / overlay)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        files[overlay] = copy / f"{overlay}.yaml"
        files[overlay].write_text(done.stdout)
    return files


@pytest.fixture(scope="session")
def resources(rendered: Mapping[str, Path]) -> Mapping[str, Sequence[Resource]]:
    """Overlay → its resources."""
    return {overlay: list(yaml.safe_load_all(file.read_text())) for overlay, file in rendered.items()}
