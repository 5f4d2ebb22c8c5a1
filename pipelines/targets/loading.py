"""Finding a target by name, so that `pipelines` imports no back-end it does not use."""

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from pipelines.targets.port import Target, TargetError

TARGET_GROUP = "ai_orchestration.targets"


class UnknownTargetError(TargetError):
    """No target has this name."""


def target_names() -> tuple[str, ...]:
    """Names of the installed targets, sorted."""
    return tuple(sorted(_found()))


def load_target(name: str) -> Target:
    """Make a target.

    Raises:
        UnknownTargetError: There is none; names the nearest.
        TargetError: Its client library is not installed.
    """
    found = _found()
    if name not in found:
        near = get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownTargetError(f"there is no target {name!r}; {hint}The targets are: {', '.join(sorted(found))}")
    try:
        target: Target = found[name].load()()
    except ImportError as error:
        raise TargetError(f"the target {name!r} needs a library that is not installed: {error}") from error
    return target


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=TARGET_GROUP)}
