"""`python -m serving NAME`: one predictor as a KServe model server."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from pydantic import ValidationError

from runtime.logs import configure_logging, get_logger
from runtime.problems import nearest

PREDICTORS = {"crypto": "serving.crypto_process", "fraud": "serving.fraud_process"}
"""Predictor name to the module whose `serve()` runs it."""

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the predictor named on the command line; return the exit status."""
    names = list(sys.argv[1:] if arguments is None else arguments)
    if len(names) != 1 or names[0] not in PREDICTORS:
        hint = nearest(names[0], PREDICTORS) if names else None
        known = ", ".join(PREDICTORS)
        sys.stderr.write(f"usage: python -m serving NAME, where NAME is one of: {known}\n")
        if hint:
            sys.stderr.write(f"did you mean {hint!r}?\n")
        return USAGE
    name = names[0]
    configure_logging(f"{name}-predictor")
    logger = get_logger("serving")
    try:
        serve: Callable[[], None] = import_module(PREDICTORS[name]).serve
        serve()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            field = ".".join(map(str, problem["loc"])) or "settings"
            logger.error("settings refused", field=field, reason=problem["msg"])
        return USAGE
    except OSError as error:
        logger.error("cannot start", reason=str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of the process: its supervisor gets a status, the log the cause
        logger.critical("stopped by an error", exc_info=error)
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End the process at once: a thread that hangs in a call to a store or the registry must not hold it up."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
