"""Where a pipeline can run; each target is an entry point in the group `ai_orchestration.targets`."""

from pipelines.targets.loading import TARGET_GROUP, UnknownTargetError, load_target, target_names
from pipelines.targets.port import PipelineFailedError, RunHandle, Target, TargetError

__all__ = [
    "TARGET_GROUP",
    "PipelineFailedError",
    "RunHandle",
    "Target",
    "TargetError",
    "UnknownTargetError",
    "load_target",
    "target_names",
]
