"""From the settings to a decision log."""

from runtime.decision_log.port import DecisionLog
from runtime.settings import runtime_settings


def open_decision_log(database_url: str = "") -> DecisionLog:
    """Open the log at an SQLAlchemy address and create its tables where they are missing.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`; empty means AIO_DATABASE_URL, or else `decisions.db` in the
            state folder: a file of its own, since it is written with every decision.
    """
    from runtime.decision_log.sql_log import SqlDecisionLog

    settings = runtime_settings()
    embedded = f"sqlite:///{settings.state_dir.resolve() / 'decisions.db'}"
    return SqlDecisionLog(database_url or settings.database_url.get_secret_value() or embedded)
