"""The promotion log: who moved which alias, when, from where to where, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

PromotionState = Literal["intent", "done", "abandoned"]


@dataclass(frozen=True)
class Promotion:
    """One promotion with its last state; `from_version` is None for a first champion."""

    id: str
    model: str
    alias: str
    from_version: str | None
    to_version: str
    actor: str
    reason: str
    state: PromotionState
    detail: str
    created_at: datetime
    ended_at: datetime | None


class PromotionConflictError(RuntimeError):
    """Another promotion of the same model and alias has an intent without an end."""


class PromotionNotFoundError(LookupError):
    """The log has no such promotion."""

    def __init__(self, promotion_id: str) -> None:
        super().__init__(f"the log holds no promotion {promotion_id!r}")


class PromotionLog(Protocol):
    """Append-only: an intent is followed by exactly one end; nothing is edited or deleted."""

    def intend(
        self, *, model: str, alias: str, from_version: str | None, to_version: str, actor: str, reason: str
    ) -> Promotion:
        """Record durably that an alias is about to move; `PromotionConflictError` while another intent is open."""
        ...

    def done(self, promotion_id: str, detail: str = "") -> Promotion:
        """Record that the alias moved; idempotent."""
        ...

    def abandon(self, promotion_id: str, detail: str) -> Promotion:
        """Record that the alias did not move; idempotent."""
        ...

    def pending(self, model: str | None = None) -> Sequence[Promotion]:
        """Intents without an end, oldest first."""
        ...

    def history(self, model: str, limit: int = 100) -> Sequence[Promotion]:
        """Promotions of a model, newest first."""
        ...
