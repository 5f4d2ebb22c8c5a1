"""Raw fields of a request: what each may hold, how it is checked, and how a value is said in plain English.

Light: the gateway checks requests and words reasons with this, without numpy.
"""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["count", "amount", "signed", "rate", "flag", "category", "text", "unused"]

OTHER = "other"
"""The category of every value that is none of a field's own."""

LARGEST = 3.0e38
"""Numbers are kept as float32."""


class FieldError(ValueError):
    """A name that is no field or feature of this detector."""


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of a record, and what to do."""

    field: str
    detail: str

    @property
    def pointer(self) -> str:
        """JSON pointer (RFC 6901) of the field within its record."""
        return "/" + self.field.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True)
class RawField:
    """One field of a record.

    Attributes:
        name: Its name in JSON.
        words: What a value of it says; `{value}` stands for the number and `{s}` for the plural's s.
        kind: `count` and `amount` are not negative, `signed` may be, `rate` is between 0 and 1, `flag` is 0 or 1,
            `category` is text; `text` is text that is no feature; `unused` is accepted and not read.
        required: Whether it must be given; others may be left out or null, which the models see as missing.
        categories: What a category may be; every other text counts as `other`.
    """

    name: str
    words: str = ""
    kind: Kind = "count"
    required: bool = True
    categories: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that it is encoded as: none, itself, or `name=category` for every category and `name=other`."""
        if self.kind in ("text", "unused"):
            return ()
        if self.kind != "category":
            return (self.name,)
        own = [category for category in self.categories if category != OTHER]
        return tuple(f"{self.name}={category}" for category in (*own, OTHER))

    def problem(self, value: object) -> str | None:
        """What is wrong with a value that was given, if anything."""
        if self.kind == "unused" or (value is None and not self.required):
            return None
        if self.kind in ("category", "text"):
            good = isinstance(value, str) and bool(value.strip())
            return None if good else f"must be a text that is not empty, received {_shown(value)}"
        if not isinstance(value, int | float) or (isinstance(value, bool) and self.kind != "flag"):
            return f"must be a number, received {_shown(value)}"
        return self._number_problem(value)

    def _number_problem(self, value: float) -> str | None:
        if isinstance(value, float) and not math.isfinite(value):
            return f"must be finite, received {value}"
        if abs(value) > LARGEST:
            return f"must be at most {LARGEST:g} in size, received {_shown(value)}"
        if self.kind == "flag" and value not in (0, 1):
            return f"must be 0 or 1, received {_shown(value)}"
        if self.kind == "rate" and not 0 <= value <= 1:
            return f"must be between 0 and 1, received {_shown(value)}"
        if self.kind != "signed" and value < 0:
            return f"must not be negative, received {_shown(value)}"
        return None

    def say(self, feature: str, value: float) -> str:
        """The value of one of its features in words, such as `3 failed logins`."""
        if self.kind == "category":
            category = feature.partition("=")[2]
            return f"{self.words} is {'' if value >= 0.5 else 'not '}{category}"
        if math.isnan(value):
            return f"{self.name.replace('_', ' ')} is missing"
        if self.kind == "flag":
            return f"{self.words}: {'yes' if value >= 0.5 else 'no'}"
        shown = f"{100 * value:.0f} %" if self.kind == "rate" else number(value)
        return self.words.format(value=shown, s="" if shown == "1" else "s")


def check_record(fields: Sequence[RawField], record: Mapping[str, object]) -> tuple[FieldProblem, ...]:
    """Everything that is wrong with a record, field by field; empty where nothing is."""
    return tuple(_problems(fields, record))


def _problems(fields: Sequence[RawField], record: Mapping[str, object]) -> Iterator[FieldProblem]:
    known = {field.name: field for field in fields}
    for name in record:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            yield FieldProblem(str(name), f"is no field of this detector; {hint}")
    for field in fields:
        if field.name not in record:
            if field.required and field.kind != "unused":
                yield FieldProblem(field.name, f"is missing; give {_wanted(field)}")
            continue
        problem = field.problem(record[field.name])
        if problem is not None:
            yield FieldProblem(field.name, problem)


def number(value: float) -> str:
    """A number for people: whole ones without decimals, others with three significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _wanted(field: RawField) -> str:
    wanted = {"category": "a text", "text": "a text", "rate": "a number between 0 and 1", "flag": "0 or 1"}
    return wanted.get(field.kind, "a number" if field.kind == "signed" else "a number that is not negative")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
