"""When a pipeline runs again."""

from pipelines.scheduling.cron import Cron, CronError

__all__ = ["Cron", "CronError"]
