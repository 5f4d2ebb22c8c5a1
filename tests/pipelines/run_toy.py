"""A process that runs the toy pipeline, to be killed: `python run_toy.py STATE_DIR SECONDS`."""

import importlib.util
import sys
from pathlib import Path

from pipelines.targets.local import LocalTarget
from pipelines.wiring import pipeline
from runtime.settings import RuntimeSettings

spec = importlib.util.spec_from_file_location("toy_conftest", Path(__file__).with_name("conftest.py"))
assert spec is not None and spec.loader is not None
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)

if __name__ == "__main__":
    state_dir, seconds = sys.argv[1:]
    runtime = RuntimeSettings(state_dir=Path(state_dir), mlflow_tracking_uri="http://127.0.0.1:9")
    LocalTarget(runtime).run(pipeline(name="toy", cron="5 * * * *")(toy._wiring), {"seconds": float(seconds)})
