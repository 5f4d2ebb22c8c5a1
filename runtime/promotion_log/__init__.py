"""The promotion log on SQLite by default, PostgreSQL when set."""

from runtime.promotion_log.factory import open_promotion_log
from runtime.promotion_log.port import (
    Promotion,
    PromotionConflictError,
    PromotionLog,
    PromotionNotFoundError,
    PromotionState,
)

__all__ = [
    "Promotion",
    "PromotionConflictError",
    "PromotionLog",
    "PromotionNotFoundError",
    "PromotionState",
    "open_promotion_log",
]
