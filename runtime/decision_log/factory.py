"""From the settings to a decision log."""

from runtime.decision_log.port import DecisionLog
from runtime.settings import runtime_settings


def open_decision_log(database_url: str = "") -> DecisionLog:
    """Open the log at an SQLAlchemy address and create its tables where they are missing.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`; empty means AIO_DATABASE_URL, or else `decisions.db` in the
            state folder: a file of its own, since it is written with every decision.

    Raises:
        ValueError: No address is given outside a local environment, or it is of another database.
    """
    from runtime.decision_log.sql_log import SqlDecisionLog

    settings = runtime_settings()
    refusal = ValueError(
        "the decision log has no database: set AIO_DATABASE_URL=postgresql://… where AIO_ENVIRONMENT is not local"
    )
    return SqlDecisionLog(settings.database(database_url or settings.database_url, "decisions.db", refusal))
