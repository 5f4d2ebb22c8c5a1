"""From the settings to a promotion log."""

from runtime.promotion_log.port import PromotionLog
from runtime.settings import runtime_settings


def open_promotion_log(database_url: str = "") -> PromotionLog:
    """Open the log at an SQLAlchemy address and create its table where it is missing.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`; empty means the one in the settings.
    """
    from runtime.promotion_log.sql_log import SqlPromotionLog

    return SqlPromotionLog(database_url or runtime_settings().resolved_database_url)
