"""From YAML to a rule set, with the line of whatever is wrong."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ValidationError

from components.fraud.rules.document import CARD_FIELDS, Alternatives, Condition, Rule, RuleSetDocument
from components.fraud.rules.errors import RuleSetError
from components.fraud.rules.evaluation import RuleSet

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]

_DIGEST_CHARACTERS = 12
_MODELS = ("Condition", "Alternatives", "str", "int", "float", "list[", "function-")
"""How the names begin that pydantic puts into places for the alternatives it tried."""

_LONGEST_TEXT = 1_000_000


def load_rules(text: str, *, source: str = "rule set", features: Sequence[str] | None = None) -> RuleSet:
    """Read a rule set.

    Args:
        text: YAML.
        source: What messages call it, such as a file's name.
        features: Names that conditions may use; by default those of the card features where it is for cards, and any
            name for the other detectors.

    Raises:
        RuleSetError: It is no YAML or breaks the schema; the message has the line, the key and what is allowed.
    """
    root = _compose(text, source)
    try:
        content = yaml.safe_load(text)
        document = RuleSetDocument.model_validate(content)
    except ValidationError as error:
        raise _refusal(error, root, source) from error
    except yaml.YAMLError as error:
        raise _broken(error, source) from error
    _check(document, root, source, features)
    return RuleSet(document, f"{document.name}@{digest(text)[:_DIGEST_CHARACTERS]}", text)


def digest(text: str) -> str:
    """SHA-256 of a rule set's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _compose(text: str, source: str) -> yaml.MappingNode:
    if len(text) > _LONGEST_TEXT:
        raise RuleSetError(source, 0, f"it holds {len(text)} characters; at most {_LONGEST_TEXT} are read")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _broken(error, source) from error
    if not isinstance(root, yaml.MappingNode):
        raise RuleSetError(source, 1, "expected a mapping with the keys name, detector and rules")
    _refuse_repeats(root, source)
    return root


def _broken(error: yaml.YAMLError, source: str) -> RuleSetError:
    mark = getattr(error, "problem_mark", None)
    return RuleSetError(source, 0 if mark is None else mark.line + 1, f"no YAML: {getattr(error, 'problem', error)}")


def _refuse_repeats(node: yaml.Node, source: str) -> None:
    """YAML's loader keeps the last of two equal keys in silence; a rule would vanish."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise RuleSetError(source, key.start_mark.line + 1, f"the key {key.value!r} stands twice")
            seen.add(key.value)
            _refuse_repeats(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(item, source)


def _refusal(error: ValidationError, root: yaml.Node, source: str) -> RuleSetError:
    told = [one for one in error.errors(include_url=False) if _is_meant(one["loc"], root)] or error.errors()
    found = max(told, key=lambda one: (len(_place(one, root)), one["type"] == "extra_forbidden"))
    place = _place(found, root)
    where = "/".join(map(str, place)) or "the rule set"
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = f"there is no such key{_allowed(place)}"
    elif found["type"] == "missing":
        message = "is missing"
    elif "between" in place and found["type"] == "string_type":
        message = f"write the times in quotes, such as ['22:00', '05:00']; received {found['input']!r}"
    elif found["type"] not in ("value_error", "missing"):
        message += f"; received {found['input']!r}"
    return RuleSetError(source, _line(root, place), f"{where}: {message}")


def _is_meant(location: Place, root: yaml.Node) -> bool:
    """Whether an error is about what was written: pydantic also tells why a condition is no `any`, and the reverse."""
    node: yaml.Node | None = root
    for number, part in enumerate(location):
        if part == "when" and number + 2 < len(location):
            written = _child(_child(node, part), location[number + 1])
            return (location[number + 2] == "Alternatives") == (_child(written, "any") is not None)
        node = _child(node, part)
    return True


def _place(found: "ErrorDetails", root: yaml.Node) -> Place:
    """The error's place without the names of models that pydantic puts between; deeper is more telling."""
    kept: list[str | int] = []
    node: yaml.Node | None = root
    for part in found["loc"]:
        inner = _child(node, part)
        if inner is None and str(part).startswith(_MODELS):
            continue
        kept.append(part)
        node = inner
    return tuple(kept)


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        inner: yaml.Node = node.value[part]
        return inner
    return None


def _line(root: yaml.Node, place: Iterable[str | int]) -> int:
    node, line = root, int(root.start_mark.line)
    for part in place:
        if isinstance(node, yaml.MappingNode):
            line = next((key.start_mark.line for key, _ in node.value if key.value == str(part)), line)
        inner = _child(node, part)
        if inner is None:
            break
        node = inner
        if isinstance(part, int):
            line = int(node.start_mark.line)
    return line + 1


_BY_DEPTH: dict[int, type[BaseModel]] = {0: RuleSetDocument, 1: Rule}
"""Whose keys stand at a place, by how many lists it lies within."""


def _allowed(place: Place) -> str:
    depth = sum(isinstance(part, int) for part in place)
    model = _BY_DEPTH.get(depth, Condition)
    names = sorted(field.alias or name for name, field in model.model_fields.items())
    return f"; allowed are {', '.join(names)}"


def _check(document: RuleSetDocument, root: yaml.Node, source: str, features: Sequence[str] | None) -> None:
    """What the schema alone cannot see: names that must exist, and ids that must differ."""
    twice = [name for name, count in Counter(rule.id for rule in document.rules).items() if count > 1]
    if twice:
        place = max(number for number, rule in enumerate(document.rules) if rule.id == twice[0])
        raise RuleSetError(source, _line(root, ("rules", place, "id")), f"the id {twice[0]!r} stands twice")
    uses_features = any(one.feature for rule in document.rules for one in rule.conditions())
    known = _card_features() if features is None and document.detector == "card" and uses_features else features
    for number, rule in enumerate(document.rules):
        for where, condition in _conditions(rule.when, ("rules", number, "when")):
            problem = _unknown(condition, document, known)
            if problem:
                key, message = problem
                raise RuleSetError(source, _line(root, (*where, key)), f"rule {rule.id!r}: {message}")


def _conditions(when: Sequence[Condition | Alternatives], place: Place) -> Iterable[tuple[Place, Condition]]:
    for number, item in enumerate(when):
        if isinstance(item, Alternatives):
            yield from _conditions(item.any, (*place, number, "any"))
        else:
            yield (*place, number), item


def _unknown(condition: Condition, document: RuleSetDocument, features: Sequence[str] | None) -> tuple[str, str] | None:
    if condition.field and document.detector == "card" and condition.field not in CARD_FIELDS:
        return "field", _no_such("field", condition.field, CARD_FIELDS)
    if condition.feature and features is not None and condition.feature not in features:
        return "feature", _no_such("feature", condition.feature, features)
    for key, members in (("in", condition.among), ("not_in", condition.not_among)):
        if isinstance(members, str) and members not in document.lists:
            return key, _no_such("list", members, tuple(document.lists))
    return None


def _no_such(kind: str, name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no {kind} {name!r}{hint} Known: {', '.join(known) or 'none'}"


def _card_features() -> tuple[str, ...]:
    from feature_repo.fraud import CARD_FEATURE_NAMES

    return tuple(CARD_FEATURE_NAMES)
