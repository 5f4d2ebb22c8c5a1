"""The predictor's side of the wire as a process, for the benches: prints its address and serves until it is killed."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.wire import WirePredictor, WireServer  # noqa: E402

if __name__ == "__main__":
    served = WireServer(WirePredictor()).start()
    print(served.url, flush=True)  # noqa: T201
    asyncio.run(asyncio.Event().wait())
