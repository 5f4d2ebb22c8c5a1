"""`python -m brain.worker`: carry runs out until SIGTERM."""

import sys

# Where rich is installed, structlog imports it for terminals that a worker does not have: 0.3 CPU seconds.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


def main() -> int:
    """Run the worker; return the process's exit code."""
    from pydantic import ValidationError

    from brain.fraud.desk import RulesUnusableError
    from brain.runs.errors import NoRunStoreError
    from brain.settings import SettingsError
    from brain.worker.probes import PortTakenError
    from brain.worker.process import run
    from runtime.logs import configure_logging, get_logger
    from runtime.process_lock import LockHeldError

    configure_logging("brain-worker")
    try:
        run()
    except (
        LockHeldError,
        PortTakenError,
        SettingsError,
        NoRunStoreError,
        RulesUnusableError,
        ValidationError,
    ) as error:
        get_logger("brain.worker").error("the worker cannot start", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
