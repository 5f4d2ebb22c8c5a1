"""Holds parameters against a capability's schema while references still stand for some of their values."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from brain.capabilities.port import Capability, Schema
from brain.errors import shown
from brain.orchestration.references import of_text, texts

Path = tuple[str | int, ...]

_ALWAYS = frozenset({"missing", "extra_forbidden"})
"""What is wrong whatever a reference turns out to be."""


def parameter_errors(
    capability: Capability, parameters: Mapping[str, object], *, resolved: bool = False
) -> Iterator[tuple[Path, str]]:
    """What is wrong with parameters, with the place of each within them.

    Args:
        capability: Whose parameters they are.
        parameters: As they were given, or as they are once references have been resolved.
        resolved: False: a reference counts as any value. True: nothing is a reference any more, whatever it looks like.
    """
    if capability.parameters is None:
        return
    wrong = False
    for path, kind, detail in _schema_errors(capability.parameters, parameters):
        if resolved or kind in _ALWAYS or not _holds_reference(path, parameters):
            wrong = True
            yield path, detail
    if wrong:
        return
    for found in capability.check(parameters):
        if resolved or not _holds_reference(_parts(found.pointer), parameters):
            yield _parts(found.pointer), found.detail


def _schema_errors(schema: Schema, parameters: Mapping[str, object]) -> Iterator[tuple[Path, str, str]]:
    try:
        schema.model_validate(parameters)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            yield _place(one["loc"], parameters), one["type"], _told(one["type"], one["msg"], one["input"])


def _told(kind: str, message: str, received: object) -> str:
    if kind == "missing":
        return "is missing; it is required"
    if kind == "extra_forbidden":
        return "there is no such parameter"
    return f"{message.removeprefix('Value error, ')}; received {shown(received)}"


def _place(location: Path, parameters: object) -> Path:
    """A location without the names of a schema's branches, which the value does not have."""
    path: list[str | int] = []
    value = parameters
    for number, part in enumerate(location):
        if _has(value, part):
            value = value[part]  # type: ignore[index]
        elif number < len(location) - 1:
            continue
        path.append(part)
    return tuple(path)


def _holds_reference(path: Path, value: object) -> bool:
    """Whether a reference stands at a place within a value, or within what stands there."""
    for part in path:
        if not _has(value, part):
            return False
        value = value[part]  # type: ignore[index]
    return any(of_text(text) for _, text in texts(value))


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _parts(pointer: str) -> Path:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
