"""Moving champions by hand: promote, roll back, look back."""

from pipelines.champions.by_hand import history, promote, reconcile, rollback

__all__ = ["history", "promote", "reconcile", "rollback"]
