"""Conditions under which a task is carried out, over what became of others.

    {"ref": "${tasks.a.result.decision}", "op": "eq", "value": "accept"}
    {"all": [...]}    {"any": [...]}    {"not": ...}

Numbers compare with numbers and text with text; everything else only equals. `all` and `any` look from left to right
and no further than they must, so that an `exists` may guard what follows it.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from brain.orchestration.references import Ended, Reference, UnresolvedError, find, look_up, parse, resolve

Operator = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "exists"]

MOST_NESTED = 16
_FORMS = ("ref", "all", "any", "not_")


class NotComparableError(TypeError):
    """Two values of a condition have no order, or the second of `in` is no list."""


class Condition(BaseModel):
    """A comparison with `ref` and `op`, or one of `all`, `any` and `not`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"ref": "${tasks.check.result.decision}", "op": "eq", "value": "accept"}]},
    )

    ref: str | None = Field(
        default=None, max_length=1000, description="what is compared", examples=["${tasks.a.state}"]
    )
    op: Operator | None = Field(default=None, description="how; `exists`: it is there and not null")
    value: JsonValue = Field(default=None, description="with what; may hold references; a list for `in`")
    all: "list[Condition] | None" = Field(default=None, min_length=1, max_length=100, description="every one of these")
    any: "list[Condition] | None" = Field(
        default=None, min_length=1, max_length=100, description="at least one of these"
    )
    not_: "Condition | None" = Field(default=None, alias="not", description="this one does not hold")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [name for name in _FORMS if name in self.model_fields_set]
        if len(forms) != 1:
            raise ValueError("must have one of `ref`, `all`, `any` and `not`")
        if self.ref is None:
            self._check_branch(forms[0])
        else:
            self._check_comparison(self.ref)
        if self.depth > MOST_NESTED:
            raise ValueError(f"conditions stand more than {MOST_NESTED} deep within one another; flatten them")
        return self

    def _check_branch(self, form: str) -> None:
        if {"op", "value"} & self.model_fields_set:
            raise ValueError("`op` and `value` stand beside `ref` alone")
        if getattr(self, form) is None:
            raise ValueError(f"`{form.rstrip('_')}` must not be null")

    def _check_comparison(self, ref: str) -> None:
        parse(ref)
        list(find(self.value))
        if self.op is None:
            raise ValueError("`ref` needs an `op`: eq, ne, lt, le, gt, ge, in or exists")
        given = "value" in self.model_fields_set
        if self.op == "exists" and given:
            raise ValueError("`exists` takes no `value`; put it within `not` for the contrary")
        if self.op != "exists" and not given:
            raise ValueError(f"`{self.op}` needs a `value`")
        if self.op == "in" and not isinstance(self.value, list | str):
            raise ValueError("`in` needs a list as its `value`")
        if isinstance(self.value, str) and self.op == "in":
            parse(self.value)

    @property
    def parts(self) -> "tuple[Condition, ...]":
        """The conditions right within this one."""
        return (*(self.all or ()), *(self.any or ()), *((self.not_,) if self.not_ else ()))

    @property
    def depth(self) -> int:
        """How deep conditions stand within one another; 1 for a comparison."""
        return 1 + max((part.depth for part in self.parts), default=0)

    def references(self) -> Iterator[Reference]:
        """What it looks at, from left to right."""
        if self.ref is not None:
            yield parse(self.ref)
            for _, reference in find(self.value):
                yield reference
        for part in self.parts:
            yield from part.references()

    def looks_at_ends(self) -> frozenset[str]:
        """Tasks whose state or error it looks at; it is looked at also where those did not succeed."""
        return frozenset(one.task for one in self.references() if one.part != "result")


def evaluate(condition: Condition, tasks: Mapping[str, Ended]) -> bool:
    """Whether a condition holds.

    Raises:
        UnresolvedError: Something that it compares is not there.
        NotComparableError: What it compares has no order, or `in` was given no list.
    """
    if condition.all is not None:
        return all(evaluate(part, tasks) for part in condition.all)
    if condition.any is not None:
        return any(evaluate(part, tasks) for part in condition.any)
    if condition.not_ is not None:
        return not evaluate(condition.not_, tasks)
    reference = parse(condition.ref or "")
    if condition.op == "exists":
        return _exists(reference, tasks)
    left, right = look_up(reference, tasks), resolve(condition.value, tasks)
    if condition.op == "in":
        if not isinstance(right, list):
            raise NotComparableError(f"{condition.ref} in {right!r:.80}: expected a list on the right")
        return any(_equal(left, one) for one in right)
    if condition.op in ("eq", "ne"):
        return _equal(left, right) == (condition.op == "eq")
    return _ordered(left, right, condition)


def _exists(reference: Reference, tasks: Mapping[str, Ended]) -> bool:
    try:
        return look_up(reference, tasks) is not None
    except UnresolvedError:
        return False


def _equal(left: object, right: object) -> bool:
    """Equality of JSON: true is not 1, and 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    return left == right


def _ordered(left: object, right: object, condition: Condition) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        before, after = left < right, left > right
    elif _is_number(left) and _is_number(right):
        before, after = left < right, left > right  # type: ignore[operator]
    else:
        what = f"{left!r:.40} and {right!r:.40} have no order; compare two numbers or two texts"
        raise NotComparableError(f"{condition.ref} {condition.op}: {what}")
    return {"lt": before, "le": not after, "gt": after}.get(condition.op or "", not before)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
