import sys
from pathlib import Path

import pytest
import yaml

from pipelines import __main__ as cli
from pipelines.targets import UnknownTargetError, load_target, target_names
from pipelines.wiring import UnknownPipelineError, load_pipeline, pipeline_names


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pipelines", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "crypto-forcast"), "did you mean 'crypto-forecast'"),
        (("run", "crypto-forecast", "--target", "kubeflw"), "did you mean 'kubeflow'"),
        (("run", "crypto-forecast", "-p", "simbols=BTC"), "did you mean 'symbols'"),
        (
            ("run", "crypto-forecast", "-p", "horizon_bars=25"),
            "horizon_bars=25 is not possible; crypto-forecast takes 1 to 24",
        ),
        (("run", "crypto-forecast", "-p", "timeframe=5m"), "one of 1h"),
        (("run", "crypto-forecast", "--profile", "fast"), "one of quick, full"),
        (("run", "crypto-refresh", "--profile", "quick"), "takes no parameter 'profile'"),
        (("schedule", "crypto-refresh", "--cron", "hourly", "--target", "local"), "a schedule has five fields"),
        (("run", "crypto-refresh", "--target", "kubeflow"), "PIPELINES_KUBEFLOW_HOST"),
        (("run", "crypto-refresh", "--target", "vertex"), "AIO_MLFLOW_TRACKING_URI"),
    ],
)
def test_a_mistake_is_one_clear_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path))

    assert call(monkeypatch, *arguments) == 1

    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "pipelines").exists()


def test_list_shows_every_pipeline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "list") == 0

    shown = capsys.readouterr().out
    assert "crypto-forecast" in shown and "crypto-refresh" in shown and "1 * * * *" in shown


def test_compile_writes_a_package_for_the_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    output = tmp_path / "new" / "crypto-refresh.yaml"

    assert call(monkeypatch, "compile", "crypto-refresh", "--target", "kubeflow", "-o", str(output)) == 0

    specification, platform = yaml.safe_load_all(output.read_text())
    assert specification["pipelineInfo"]["name"] == "crypto-refresh"
    assert "kubernetes" in platform["platforms"]


def test_pipelines_and_targets_are_found_by_name() -> None:
    assert pipeline_names() == ("crypto-forecast", "crypto-refresh", "fraud-detection")
    assert target_names() == ("kubeflow", "local", "vertex")
    assert load_pipeline("crypto_refresh").name == "crypto-refresh"
    with pytest.raises(UnknownPipelineError):
        load_pipeline("settings")
    with pytest.raises(UnknownTargetError):
        load_target("slurm")
