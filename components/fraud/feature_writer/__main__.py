"""`python -m components.fraud.feature_writer`: follow the decision log until SIGTERM."""

import signal
import threading

from components.fraud.feature_writer.loop import write_features
from components.fraud.feature_writer.settings import FeatureWriterSettings
from runtime.decision_log import DecisionLog, open_decision_log
from runtime.logs import configure_logging, get_logger


def main() -> None:
    """Run the writer as a process: logs, signals, settings from the environment."""
    configure_logging("fraud-features")
    log, stop = get_logger(__name__), threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    decisions = _opened(stop)
    if decisions is None:
        return
    log.info("following the decision log")
    try:
        folded = write_features(decisions, stop)
    finally:
        decisions.close()
    log.info("stopped", events=folded)


def _opened(stop: threading.Event) -> DecisionLog | None:
    """The log; waits for a database that is down, None if it is told to stop meanwhile."""
    from sqlalchemy.exc import SQLAlchemyError

    pause = FeatureWriterSettings().longest_pause_seconds
    while not stop.is_set():
        try:
            return open_decision_log()
        except (SQLAlchemyError, OSError) as error:
            get_logger(__name__).warning("no decision log", reason=str(error)[:500], next_try_in_seconds=pause)
            stop.wait(pause)
    return None


if __name__ == "__main__":
    main()
