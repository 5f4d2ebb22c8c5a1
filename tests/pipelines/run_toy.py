"""A process that runs the toy pipeline, to be killed: `python run_toy.py STATE_DIR SECONDS`."""

import sys
from pathlib import Path

from pipelines.targets.local import LocalTarget
from pipelines.wiring import pipeline
from runtime.settings import RuntimeSettings
from tests.support.toy import toy_wiring

if __name__ == "__main__":
    state_dir, seconds = sys.argv[1:]
    runtime = RuntimeSettings(state_dir=Path(state_dir), mlflow_tracking_uri="http://127.0.0.1:9")
    LocalTarget(runtime).run(pipeline(name="toy", cron="5 * * * *")(toy_wiring), {"seconds": float(seconds)})
