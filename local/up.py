"""Bring the platform up: MLflow, the first champions, the predictor, the gateway, one forecast.

Every step looks at what is there before it does anything: running it again is quick, and running it after a crash
heals.
"""

import time

import httpx

from local.launch import LaunchError, Platform, run
from local.orphans import check_ports_free, sweep
from local.programs import HOST, Program
from local.training import train_first_champions
from runtime.process_lock import process_lock

_POLL_SECONDS = 0.2
_PORT_SETTINGS = {
    "mlflow": "LOCAL_MLFLOW_PORT",
    "crypto-predictor": "LOCAL_CRYPTO_PORT",
    "fraud-predictor": "LOCAL_FRAUD_PORT",
    "fraud-features": "LOCAL_FRAUD_FEATURES_PORT",
    "gateway": "LOCAL_GATEWAY_PORT",
    "brain-worker": "LOCAL_WORKER_PORT",
}
SERVING = ("crypto-predictor", "fraud-predictor", "fraud-features", "gateway", "brain-worker")


def up(platform: Platform) -> dict[str, object]:
    """Bring everything up and return the gateway's first forecast.

    Raises:
        LockHeldError: Another `make up` of this state folder is at work.
        PortTakenError: A port belongs to somebody else.
        LaunchError: A part did not become ready in time, or the first training run failed.
    """
    state_dir = platform.runtime.state_dir.resolve()
    (state_dir / "tmp").mkdir(parents=True, exist_ok=True)
    with process_lock(state_dir / "run" / "up.lock", "make up"):
        _ensure_supervisor(platform)
        _start(platform, "mlflow")
        run(platform, "Settling promotions that a crash left open", "-m", "pipelines", "reconcile")
        train_first_champions(platform)
        for name in SERVING:
            platform.supervisor.launch(name)
        if not _predictor_has_features(platform):
            run(platform, "Materialising features", "-m", "pipelines", "run", "crypto-refresh", "--target", "local")
        for name in SERVING:
            _wait_ready(platform, platform.program(name))
        if platform.local.refresh:
            platform.supervisor.launch("crypto-refresh")
        return forecast(platform)


def down(platform: Platform) -> int:
    """Stop everything of this state folder; returns how many orphans had to be swept."""
    state_dir = platform.runtime.state_dir.resolve()
    with process_lock(state_dir / "run" / "up.lock", "make down"):
        if platform.supervisor.running():
            platform.supervisor.shutdown(platform.local.stop_timeout_seconds * (len(platform.programs) + 1))
        return sweep(state_dir, platform.local.stop_timeout_seconds)


def forecast(platform: Platform, symbol: str = "BTC") -> dict[str, object]:
    """Ask the gateway for one forecast, as a user would."""
    body = {"symbol": symbol, "timeframe": "1h", "prediction_horizon": 24}
    address = f"http://{HOST}:{platform.local.gateway_port}/api/v1/crypto/predict"
    answer = httpx.post(address, json=body, timeout=30)
    if answer.is_error:
        raise LaunchError(f"the gateway answered {answer.status_code} to a forecast for {symbol}: {answer.text[:500]}")
    return dict(answer.json())


def _ensure_supervisor(platform: Platform) -> None:
    supervisor = platform.supervisor
    if supervisor.running():
        return
    state_dir = platform.runtime.state_dir.resolve()
    swept = sweep(state_dir, platform.local.stop_timeout_seconds)
    if swept:
        platform.console.print(f"Ended {swept} processes that a killed supervisor had left behind")
    check_ports_free(
        (program.title, port, _PORT_SETTINGS[program.name]) for program in platform.programs for port in program.ports
    )
    supervisor.start(platform.programs, platform.environment, platform.local.stop_timeout_seconds)


def _start(platform: Platform, name: str) -> None:
    platform.supervisor.launch(name)
    _wait_ready(platform, platform.program(name))


def _wait_ready(platform: Platform, program: Program) -> None:
    if program.ready_url is None:
        return
    deadline = time.monotonic() + platform.local.start_timeout_seconds
    said = "no answer"
    with platform.console.status(f"Waiting for {program.title}"):
        while time.monotonic() < deadline:
            said = _ready(program.ready_url)
            if not said:
                platform.console.print(f"[green]✓[/] {program.title} is ready")
                return
            if platform.supervisor.state(program.name).state == "FATAL":
                break
            time.sleep(_POLL_SECONDS)
    log = platform.supervisor.log_file(program.name)
    raise LaunchError(f"{program.title} did not become ready: {said}; its log is {log} (make logs)")


def _ready(url: str) -> str:
    """Empty when ready, else what was answered instead."""
    try:
        answer = httpx.get(url, timeout=5)
    except httpx.HTTPError as error:
        return f"{url}: {type(error).__name__}"
    return "" if answer.status_code == httpx.codes.OK else f"{url} answered {answer.status_code}: {answer.text[:300]}"


def _predictor_has_features(platform: Platform) -> bool:
    """Wait for the predictor's first word on its readiness; False only when it lacks features."""
    url = str(platform.program("crypto-predictor").ready_url)
    deadline = time.monotonic() + platform.local.start_timeout_seconds
    while time.monotonic() < deadline:
        said = _ready(url)
        if not said:
            return True
        if _lacks_features(url):
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _lacks_features(url: str) -> bool:
    """Whether a predictor that has a model is not ready for want of features."""
    try:
        said = httpx.get(url, timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
    return bool(said.get("model_version")) and not said.get("ready") and "crypto-refresh" in str(said.get("reason"))
