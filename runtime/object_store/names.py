"""Which object names are allowed: the same for every adapter, so that code moves between them unchanged."""

MAX_NAME_BYTES = 900
MAX_SEGMENT_BYTES = 200

TEMPORARY_PREFIX = ".tmp-"
"""Begins the names of files that the local adapter is still writing; no object may be named so."""


class InvalidObjectNameError(ValueError):
    """The name is absolute, climbs out of the store, is too long or holds characters that are not allowed."""


def checked_name(name: str) -> str:
    """Return the name, or raise `InvalidObjectNameError` saying what is wrong with it."""
    segments = name.split("/")
    if not name or any(segment in ("", ".", "..") for segment in segments):
        raise _invalid(name, "it must be relative, with no empty, '.' or '..' segment")
    if any(character < " " or character in '\\\x7f*?"<>|#%{}^[]`~' for character in name):
        raise _invalid(name, 'control characters and \\*?"<>|#%{}^[]`~ are not allowed')
    if len(name.encode()) > MAX_NAME_BYTES or any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        raise _invalid(name, f"it may hold {MAX_NAME_BYTES} bytes, and {MAX_SEGMENT_BYTES} between slashes")
    if any(segment.startswith(TEMPORARY_PREFIX) for segment in segments):
        raise _invalid(name, f"segments that begin with {TEMPORARY_PREFIX!r} are reserved")
    return name


def _invalid(name: str, rule: str) -> InvalidObjectNameError:
    shown = name if len(name) <= 80 else name[:77] + "..."
    return InvalidObjectNameError(f"{shown!r} cannot name an object: {rule}")
