"""Where pipelines run for real, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

from pipelines.targets.local import RunRecord, read_last_run
from runtime.settings import REPOSITORY_ROOT


class Workplace:
    """A state folder and what a run in it is told."""

    def __init__(self, folder: Path, mlflow: str) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIO_")},
            "AIO_STATE_DIR": str(folder / "state"),
            "AIO_MLFLOW_TRACKING_URI": mlflow,
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "pipelines", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environment, cwd=REPOSITORY_ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str, timeout_seconds: float = 1500) -> tuple[int, str]:
        """Its exit status, and all that it said."""
        with self.start(*arguments) as process:
            try:
                said, _ = process.communicate(timeout=timeout_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, said

    def record(self, pipeline: str) -> RunRecord:
        found = read_last_run(self.folder / "state" / "pipelines" / pipeline / "last_run.json")
        assert found is not None
        return found

    def artifact(self, pipeline: str, step: str, name: str) -> Path:
        (found,) = Path(self.record(pipeline).folder, "artifacts").glob(f"{pipeline}-*/{step}/{name}")
        return found
