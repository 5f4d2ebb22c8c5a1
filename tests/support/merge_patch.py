"""What an API server makes of a merge patch."""

import copy
from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386: the target with the patch; what the patch says is null is gone."""
    if not isinstance(patch, dict):
        return patch
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
