"""`python -m components.fraud.feature_writer`: follow the decision log until SIGTERM."""

import signal
import threading
from contextlib import ExitStack

from prometheus_client import CollectorRegistry

from components.fraud.feature_writer.loop import write_features
from components.fraud.feature_writer.probes import Vitals, probes
from components.fraud.feature_writer.settings import FeatureWriterSettings
from runtime.decision_log import DecisionLog, open_decision_log
from runtime.logs import configure_logging, get_logger


def main() -> None:
    """Run the writer as a process: logs, signals, settings from the environment."""
    configure_logging("fraud-features")
    log, stop = get_logger(__name__), threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    settings = FeatureWriterSettings()
    vitals = Vitals(settings.stuck_after_seconds, CollectorRegistry())
    with ExitStack() as stack:
        if settings.probe_port is not None:
            stack.enter_context(probes(vitals, settings.probe_host, settings.probe_port))
        decisions = _opened(stop, settings.longest_pause_seconds, vitals)
        if decisions is None:
            return
        stack.callback(decisions.close)
        log.info("following the decision log")
        folded = write_features(decisions, stop, settings, vitals=vitals)
    log.info("stopped", events=folded)


def _opened(stop: threading.Event, pause: float, vitals: Vitals) -> DecisionLog | None:
    """The log; waits for a database that is down, None if it is told to stop meanwhile."""
    from sqlalchemy.exc import SQLAlchemyError

    while not stop.is_set():
        try:
            return open_decision_log()
        except (SQLAlchemyError, OSError) as error:
            vitals.failed("the decision log did not answer")
            get_logger(__name__).warning("no decision log", reason=str(error)[:500], next_try_in_seconds=pause)
            stop.wait(pause)
    return None


if __name__ == "__main__":
    main()
