"""A predictor refuses settings that would open it, and addresses that it cannot have."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from runtime.settings import REPOSITORY_ROOT
from serving.__main__ import main
from serving.fraud_settings import FraudSettings
from serving.gate import Gate
from serving.metrics import PredictorMetrics
from serving.settings import PredictorSettings

DIGEST = "ab" * 32


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "predictor.internal"])
def test_an_address_beyond_loopback_needs_keys_or_a_mesh(host: str) -> None:
    with pytest.raises(ValidationError, match="PREDICTOR_API_KEY_SHA256"):
        PredictorSettings(host=host)
    assert PredictorSettings(host=host, api_key_sha256=frozenset({DIGEST})).host == host
    assert PredictorSettings(host=host, mesh_authenticates=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_loopback_needs_neither(host: str) -> None:
    assert PredictorSettings(host=host).host == host


def test_a_key_where_its_hash_belongs_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTOR_API_KEY_SHA256", json.dumps(["aio_plain-key"]))
    with pytest.raises(ValidationError) as refused:
        PredictorSettings()
    assert "aio_plain-key" not in str(refused.value.errors(include_input=False))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:5002", True),
        ("localhost", True),
        ("[::1]:5002", True),
        ("", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:5002", False),
        ("10.0.0.1", False),
    ],
)
def test_on_loopback_only_loopback_names_are_answered(host: str, allowed: bool) -> None:
    gate = Gate(PredictorSettings())
    for _ in range(2):
        if allowed:
            gate.check_host(host)
        else:
            with pytest.raises(Exception, match="loopback names only"):
                gate.check_host(host)
    Gate(PredictorSettings(api_key_sha256=frozenset({DIGEST}))).check_host(host)


def test_a_far_deadline_is_brought_down_to_the_longest() -> None:
    gate = Gate(PredictorSettings(max_deadline_seconds=30))
    assert gate.seconds_left("9999999999") == 30
    assert gate.seconds_left("") == PredictorSettings().default_deadline_seconds


def test_the_fraud_predictor_has_ports_of_its_own_and_knows_its_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = FraudSettings()
    assert (settings.http_port, settings.grpc_port, settings.max_batch_rows) == (5004, 5014, 1000)
    monkeypatch.setenv("PREDICTOR_REQUIRED", '["card", "network"]')
    monkeypatch.setenv("PREDICTOR_NETWORK_VERSION", "4")
    told = FraudSettings()
    assert told.required == {"card", "network"}
    assert (told.version("card"), told.version("network")) == ("", "4")
    monkeypatch.setenv("PREDICTOR_REQUIRED", '["cards"]')
    with pytest.raises(ValidationError, match="required"):
        FraudSettings()


def test_a_taken_rest_port_is_named_with_the_setting(free_port: Callable[[], int]) -> None:
    from serving.listener import PortTakenError, listen

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port}.*PREDICTOR_HTTP_PORT"):
            listen(PredictorSettings(http_port=port))


async def test_a_taken_grpc_port_is_named_with_the_setting_and_never_shared() -> None:
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

    from serving.grpc_server import GrpcServer
    from serving.kserve_model import ServedDataPlane, ServedModel, ServedRepository
    from serving.served import Served, ServedModels

    def server(port: int) -> GrpcServer:
        settings = PredictorSettings(grpc_port=port)
        gate, served = Gate(settings), Served("m", 1)
        repository = ServedRepository([(ServedModel("m", served, gate), lambda: None)])
        metrics = {"m": PredictorMetrics("m", CollectorRegistry())}
        data_plane = ServedDataPlane(repository, ServedModels([served]))
        return GrpcServer(settings, data_plane, ModelRepositoryExtension(repository), gate, metrics)

    first = server(0)
    port = await first.start()
    with pytest.raises(OSError, match=rf"port {port}.*PREDICTOR_GRPC_PORT"):
        await server(port).start()
    await first.stop(0)


def test_an_unknown_predictor_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cryptp"]) == 2
    told = capsys.readouterr().err
    assert "crypto" in told
    assert "did you mean 'crypto'" in told
    assert main([]) == 2


def test_refused_settings_end_the_process_with_the_reason_before_anything_heavy_is_loaded() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "serving", "crypto"]
    ended = subprocess.run(
        command,
        env={"PREDICTOR_HOST": "0.0.0.0", "PREDICTOR_GRPC_PORT": "x", "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "grpc_port" in ended.stderr
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if "import time:" in line}
    assert "serving.settings" in imported
    assert not imported & {"kserve", "feast", "mlflow", "onnxruntime", "pandas"}
