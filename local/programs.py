"""Which processes make up the platform on one machine, in the order they start."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.capacity import usable_cores
from local.settings import LocalSettings
from runtime.settings import RuntimeSettings

INSTANCE_VARIABLE = "LOCAL_INSTANCE"
"""Marks every process of this state folder, so that orphans of a killed supervisor can be told from strangers."""

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Program:
    """One supervised process.

    `ready_url` answers 200 once it can do its work, None where it serves nothing; `variables` are told to it alone.
    """

    name: str
    title: str
    command: tuple[str, ...]
    ports: tuple[int, ...] = ()
    ready_url: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def programs(local: LocalSettings, runtime: RuntimeSettings) -> tuple[Program, ...]:
    """The processes in start order: MLflow first, since every step speaks to it."""
    mlflow = Program(
        name="mlflow",
        title="MLflow",
        command=_mlflow_command(local.mlflow_port, runtime.state_dir.resolve() / "mlflow"),
        ports=(local.mlflow_port,),
        ready_url=f"http://{HOST}:{local.mlflow_port}/health",
    )
    crypto = _predictor("crypto", "Crypto predictor", local.crypto_port, local.crypto_grpc_port)
    fraud = _predictor("fraud", "Fraud predictor", local.fraud_port, local.fraud_grpc_port)
    features = Program(
        name="fraud-features",
        title="Fraud features",
        command=(sys.executable, "-m", "components.fraud.feature_writer"),
        ports=(local.fraud_features_port,),
        ready_url=f"http://{HOST}:{local.fraud_features_port}/ready",
        variables={"FEATURE_WRITER_PROBE_PORT": str(local.fraud_features_port)},
    )
    gateway = Program(
        name="gateway",
        title="Gateway",
        command=(sys.executable, "-m", "brain"),
        ports=(local.gateway_port,),
        ready_url=f"http://{HOST}:{local.gateway_port}/ready",
    )
    worker = Program(
        name="brain-worker",
        title="Worker",
        command=(sys.executable, "-m", "brain.worker"),
        ports=(local.worker_port,),
        ready_url=f"http://{HOST}:{local.worker_port}/ready",
        variables={"BRAIN_WORKER_PORT": str(local.worker_port)},
    )
    refresh = Program(
        name="crypto-refresh",
        title="Crypto refresh",
        command=(sys.executable, "-m", "pipelines", "schedule", "crypto-refresh", "--target", "local"),
    )
    return (mlflow, crypto, fraud, features, gateway, worker, *((refresh,) if local.refresh else ()))


def environment(local: LocalSettings, runtime: RuntimeSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    """What every process is told: addresses, and caches kept inside the state folder.

    A value that the caller's environment already sets wins, except for the addresses that the launcher itself decides.
    """
    state = runtime.state_dir.resolve()
    cache = state / "cache"
    defaults = {
        "DO_NOT_TRACK": "true",
        "FEAST_USAGE": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "OMP_NUM_THREADS": str(max(1, usable_cores() // 2)),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(state / "tmp"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch"),
        "XDG_CACHE_HOME": str(cache),
        "XDG_CONFIG_HOME": str(state / "config"),
        "XDG_DATA_HOME": str(state / "data"),
    }
    decided = {
        INSTANCE_VARIABLE: str(state),
        "AIO_STATE_DIR": str(state),
        "AIO_MLFLOW_TRACKING_URI": f"http://{HOST}:{local.mlflow_port}",
        "BRAIN_CRYPTO_PREDICTORS": json.dumps({"1h": f"http://{HOST}:{local.crypto_port}"}),
        "BRAIN_FRAUD_PREDICTOR_URL": f"http://{HOST}:{local.fraud_port}",
        "BRAIN_MLFLOW_URL": f"http://{HOST}:{local.mlflow_port}",
        "BRAIN_PORT": str(local.gateway_port),
        "PYTHONDONTWRITEBYTECODE": "",  # bytecode is kept, in the state folder
        "PYTHONPYCACHEPREFIX": str(cache / "pycache"),
    }
    return {**defaults, **inherited, **decided}


def _predictor(name: str, title: str, http_port: int, grpc_port: int) -> Program:
    return Program(
        name=f"{name}-predictor",
        title=title,
        command=(sys.executable, "-m", "serving", name),
        ports=(http_port, grpc_port),
        ready_url=f"http://{HOST}:{http_port}/ready",
        variables={"PREDICTOR_HTTP_PORT": str(http_port), "PREDICTOR_GRPC_PORT": str(grpc_port)},
    )


def _mlflow_command(port: int, folder: Path) -> tuple[str, ...]:
    hosts = ",".join(f"{name}{suffix}" for name in (HOST, "localhost") for suffix in ("", ":*"))
    return (
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", (folder / "artifacts").as_uri(), "--serve-artifacts"),
        *("--allowed-hosts", hosts),
    )
