import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runtime.bundle import BundleError, read_bundle
from runtime.registry import (
    CHAMPION,
    ModelRegistry,
    ModelVersionNotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    open_registry,
)
from runtime.registry.mlflow_registry import MlflowRegistry

WriteBundle = Callable[..., Path]


@pytest.fixture
def registry(mlflow_server: str) -> ModelRegistry:
    return open_registry(mlflow_server)


@pytest.fixture
def name() -> str:
    return f"tiny-forecast-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def run_id(mlflow_server: str) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow_server)
    created: str = client.create_run(client.create_experiment(f"registry-{uuid.uuid4().hex[:8]}")).info.run_id
    return created


def test_a_registered_bundle_comes_back_byte_for_byte(
    registry: ModelRegistry, name: str, run_id: str, write_tiny_bundle: WriteBundle, tmp_path: Path
) -> None:
    bundle = write_tiny_bundle()
    version = registry.register(name, bundle, run_id=run_id, tags={"network": "tiny", "status": "candidate"})
    assert (version.name, version.version, version.run_id) == (name, "1", run_id)
    assert version.tags == {
        "network": "tiny",
        "status": "candidate",
        "bundle_digest": read_bundle(bundle).digest,
    }
    fetched = registry.download(version, tmp_path / "fetched")
    assert fetched == tmp_path / "fetched" / f"{name}-v1"
    assert {p.name: p.read_bytes() for p in fetched.iterdir()} == {p.name: p.read_bytes() for p in bundle.iterdir()}


def test_a_second_download_reads_nothing_but_mends_a_broken_copy(
    registry: ModelRegistry, name: str, run_id: str, write_tiny_bundle: WriteBundle, tmp_path: Path
) -> None:
    version = registry.register(name, write_tiny_bundle(), run_id=run_id, tags={})
    folder = registry.download(version, tmp_path / "fetched")
    before = (folder / "model.onnx").stat().st_ino
    assert (registry.download(version, tmp_path / "fetched") / "model.onnx").stat().st_ino == before
    (folder / "model.onnx").write_bytes(b"broken")
    assert registry.download(version, tmp_path / "fetched") == folder
    assert read_bundle(folder).digest == version.tags["bundle_digest"]
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == [f"{name}-v1"]


def test_a_download_that_is_not_what_was_registered_is_refused(
    registry: ModelRegistry, name: str, run_id: str, write_tiny_bundle: WriteBundle, tmp_path: Path
) -> None:
    registry.register(name, write_tiny_bundle(), run_id=run_id, tags={})
    registry.set_tag(name, "1", "bundle_digest", "0" * 64)
    with pytest.raises(BundleError, match="registered as 0000"):
        registry.download(registry.version(name, "1"), tmp_path / "fetched")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_mlflow_alone_loads_and_runs_a_version_without_this_repository(
    registry: ModelRegistry,
    mlflow_server: str,
    name: str,
    run_id: str,
    write_tiny_bundle: WriteBundle,
    tmp_path: Path,
) -> None:
    registry.register(name, write_tiny_bundle(), run_id=run_id, tags={})
    script = (
        "import json, sys, numpy, mlflow\n"
        "sys.path = [p for p in sys.path if 'site-packages' in p or 'lib/python' in p]\n"
        f"model = mlflow.pyfunc.load_model('models:/{name}/1')\n"
        "answer = model.predict({'window': numpy.ones((2, 4, 2), dtype='float32')})\n"
        "assert not any(m == 'runtime' or m.startswith('runtime.') for m in sys.modules)\n"
        "print(json.dumps(answer['quantiles'].tolist()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        env={**os.environ, "MLFLOW_TRACKING_URI": mlflow_server},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    quantiles = np.array(__import__("json").loads(done.stdout.splitlines()[-1]))
    assert quantiles.shape == (2, 3, 3)
    np.testing.assert_allclose(quantiles[0, 0], [-0.9, 0.1, 1.1], atol=1e-6)


def test_an_alias_moves_between_versions(
    registry: ModelRegistry, name: str, run_id: str, write_tiny_bundle: WriteBundle
) -> None:
    assert registry.by_alias(name, CHAMPION) is None
    assert registry.versions(name) == []
    for number in (1, 2):
        registry.register(name, write_tiny_bundle(f"b{number}", network=f"n{number}"), run_id=run_id, tags={})
    assert registry.by_alias(name, CHAMPION) is None
    for number in ("1", "2", "1"):
        registry.set_alias(name, CHAMPION, number)
        champion = registry.by_alias(name, CHAMPION)
        assert champion is not None
        assert champion.version == number
        assert CHAMPION in champion.aliases
    assert [version.version for version in registry.versions(name)] == ["2", "1"]


def test_what_is_not_there_is_said_to_be_not_there(
    registry: ModelRegistry, name: str, run_id: str, write_tiny_bundle: WriteBundle
) -> None:
    with pytest.raises(ModelVersionNotFoundError):
        registry.version(name, "1")
    registry.register(name, write_tiny_bundle(), run_id=run_id, tags={})
    for version in ("2", "latest"):
        with pytest.raises(ModelVersionNotFoundError, match=version):
            registry.version(name, version)
    with pytest.raises(ModelVersionNotFoundError):
        registry.set_alias(name, CHAMPION, "7")


def test_a_folder_that_is_no_whole_bundle_is_not_registered(
    registry: ModelRegistry, name: str, run_id: str, write_tiny_bundle: WriteBundle
) -> None:
    bundle = write_tiny_bundle()
    (bundle / "model.onnx").write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        registry.register(name, bundle, run_id=run_id, tags={})
    assert registry.versions(name) == []


def test_a_name_that_mlflow_forbids_is_refused(
    registry: ModelRegistry, run_id: str, write_tiny_bundle: WriteBundle
) -> None:
    with pytest.raises(RegistryRefusedError):
        registry.register("a/b:c", write_tiny_bundle(), run_id=run_id, tags={})


def test_a_server_that_is_down_is_said_to_be_down(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    registry = MlflowRegistry(f"http://127.0.0.1:{free_port()}", timeout_seconds=2)
    with pytest.raises(RegistryUnavailableError, match="see that its server runs"):
        registry.versions("m")


def test_an_upload_that_dies_leaves_no_version(
    killed_in_fork: Callable[..., None],
    mlflow_server: str,
    registry: ModelRegistry,
    name: str,
    run_id: str,
    write_tiny_bundle: WriteBundle,
) -> None:
    from mlflow import MlflowClient

    bundle = write_tiny_bundle()

    def work(die: Callable[..., None]) -> None:
        MlflowClient.log_model_artifacts = die
        open_registry(mlflow_server).register(name, bundle, run_id=run_id, tags={})

    killed_in_fork(work)
    assert registry.versions(name) == []
    assert registry.register(name, bundle, run_id=run_id, tags={}).version == "1"
