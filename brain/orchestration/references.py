"""References from a task's parameters to what became of other tasks.

`${tasks.ID.result.path.0.name}` stands for a part of a result, `${tasks.ID.state}` for the state in which a task ended
and `${tasks.ID.error.detail}` for a part of its error. A text that is nothing but one reference becomes the value that
it stands for, of whatever type; within a longer text the value becomes text, JSON where it is none. `$${` stands for
`${` itself. Members whose names hold a dot or a brace cannot be named.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from runtime.problems import nearest

TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What an id of a task looks like."""

Part = Literal["result", "state", "error"]
PARTS: tuple[Part, ...] = ("result", "state", "error")

MOST_RESOLVED_CHARACTERS = 4 * 1024 * 1024
"""Of what the references of one task stand for: a small body may name a large result many times."""

_MARK = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_FORM = "write ${tasks.ID.result.NAME}, ${tasks.ID.state} or ${tasks.ID.error.NAME}, and $${ for ${ itself"
_MOST_SHOWN = 80


class Ended(Protocol):
    """A task that has ended; `brain.runs.Task` is such."""

    @property
    def state(self) -> str:
        """In which state it ended."""
        ...

    @property
    def result(self) -> object:
        """What it gave; None where it gave nothing."""
        ...

    @property
    def error(self) -> Mapping[str, object] | None:
        """Why it gave nothing."""
        ...


class ReferenceSyntaxError(ValueError):
    """Text with `${` in it that is no reference."""


class UnresolvedError(LookupError):
    """What a reference names is not there."""


@dataclass(frozen=True)
class Reference:
    """A reference as it was written, and what it names."""

    text: str
    task: str
    part: Part
    path: tuple[str, ...] = ()


def parse(text: str) -> Reference:
    """Read a text that is one reference.

    Raises:
        ReferenceSyntaxError: It is none.
    """
    found = _MARK.fullmatch(text)
    if found is None or found.group(1) is None:
        raise ReferenceSyntaxError(f"{_shown(text)} is no reference; {_FORM}")
    return _read(text, found.group(1))


def find(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Reference]]:
    """Every reference within a JSON value with the place at which its text stands, in the order of the value.

    Raises:
        ReferenceSyntaxError: A text holds something that looks like a reference and is none; use `texts` to know where.
    """
    for place, text in texts(value, path):
        for reference in of_text(text):
            yield place, reference


def texts(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text within a JSON value that may hold references, with its place."""
    if isinstance(value, str):
        if "${" in value:
            yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts(item, (*path, name))
    elif isinstance(value, Sequence):
        for number, item in enumerate(value):
            yield from texts(item, (*path, number))


def of_text(text: str) -> list[Reference]:
    """The references within one text; raise ReferenceSyntaxError where something only looks like one."""
    found = []
    for mark in _MARK.finditer(text):
        if mark.group() == "$${":
            continue
        if mark.group(1) is None:
            raise ReferenceSyntaxError(f"{_shown(text)} opens a reference that does not end; {_FORM}")
        found.append(_read(mark.group(), mark.group(1)))
    return found


def resolve(value: object, tasks: Mapping[str, Ended]) -> object:
    """The same JSON value with what its references stand for in their places.

    Args:
        value: Whose references have been checked.
        tasks: Those that have ended, by id.

    Raises:
        UnresolvedError: Something that a reference names is not there, and the error says how far it led; or all that
            they stand for would hold more than `MOST_RESOLVED_CHARACTERS` as JSON.
    """
    return _Resolving(tasks).value(value)


class _Resolving:
    """One value in the course of being resolved."""

    def __init__(self, tasks: Mapping[str, Ended]) -> None:
        self._tasks = tasks
        self._found: dict[str, tuple[object, str]] = {}
        self._characters = 0

    def value(self, value: object) -> object:
        if isinstance(value, str):
            return self._text(value) if "${" in value else value
        if isinstance(value, Mapping):
            return {name: self.value(item) for name, item in value.items()}
        if isinstance(value, Sequence):
            return [self.value(item) for item in value]
        return value

    def _text(self, text: str) -> object:
        whole = _MARK.fullmatch(text)
        if whole is not None and whole.group(1) is not None:
            return self._look_up(text)[0]
        return _MARK.sub(lambda mark: "${" if mark.group() == "$${" else self._look_up(mark.group())[1], text)

    def _look_up(self, text: str) -> tuple[object, str]:
        """What a reference stands for, as it is and as text."""
        if text not in self._found:
            value = look_up(parse(text), self._tasks)
            self._found[text] = (value, _as_text(value))
        self._characters += len(self._found[text][1])
        if self._characters > MOST_RESOLVED_CHARACTERS:
            what = f"all references together stand for more than {MOST_RESOLVED_CHARACTERS} characters"
            raise UnresolvedError(f"{text}: {what}; refer to parts of results")
        return self._found[text]


def look_up(reference: Reference, tasks: Mapping[str, Ended]) -> object:
    """What one reference stands for; raise UnresolvedError where it is not there."""
    task = tasks.get(reference.task)
    if task is None:
        raise UnresolvedError(f"{reference.text}: task {reference.task!r} has not ended")
    if reference.part == "state":
        return task.state
    value: object = task.result if reference.part == "result" else task.error
    if reference.part == "error" and value is None:
        raise UnresolvedError(f"{reference.text}: task {reference.task!r} has {task.state} and has no error")
    if reference.part == "result" and task.state != "succeeded":
        raise UnresolvedError(f"{reference.text}: task {reference.task!r} has {task.state} and has no result")
    for depth, name in enumerate(reference.path):
        value = _member(value, name, reference, depth)
    return value


def _read(text: str, inner: str) -> Reference:
    root, *rest = inner.split(".")
    if root != "tasks" or len(rest) < 2 or not TASK_ID.fullmatch(rest[0]):
        raise ReferenceSyntaxError(f"{_shown(text)} is no reference; {_FORM}")
    task, part, *path = rest
    if part not in PARTS:
        close = nearest(part, PARTS)
        hint = f"; did you mean {close!r}?" if close else ""
        raise ReferenceSyntaxError(f"{_shown(text)} names {part!r} of a task, which has result, state and error{hint}")
    if part == "state" and path:
        raise ReferenceSyntaxError(f"{_shown(text)} leads into a state, which is a word; leave out {'.'.join(path)!r}")
    if "" in path:
        raise ReferenceSyntaxError(f"{_shown(text)} has an empty name in its path; {_FORM}")
    return Reference(text, task, part, tuple(path))


def _member(value: object, name: str, reference: Reference, depth: int) -> object:
    where = ".".join(("tasks", reference.task, reference.part, *reference.path[:depth]))
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        close = nearest(name, map(str, value))
        hint = f"did you mean {close!r}?" if close else f"it has {', '.join(map(str, list(value)[:10])) or 'nothing'}"
        raise UnresolvedError(f"{reference.text}: {where} has no {name!r}; {hint}")
    if isinstance(value, Sequence) and not isinstance(value, str):
        if name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(value):
            return value[int(name)]
        raise UnresolvedError(f"{reference.text}: {where} is a list of {len(value)}, and {name!r} is no place in it")
    raise UnresolvedError(f"{reference.text}: {where} is {_kind(value)}, and nothing stands within it")


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return {bool: "true or false", str: "a text"}.get(type(value), "a number")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "...")
