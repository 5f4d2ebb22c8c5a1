"""Parameters as a person types them, checked before anything runs."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from pipelines.wiring.definition import Pipeline

ParameterValue = str | int | float | bool | list[str]


class ParameterError(ValueError):
    """A parameter that the pipeline does not take, or a value that it cannot be given."""


def parse_parameters(pipeline: Pipeline, texts: Iterable[str]) -> dict[str, ParameterValue]:
    """Read `key=value` texts into typed arguments.

    A list is written `BTC,ETH` or as JSON.

    Raises:
        ParameterError: No `=`, an unknown name (the nearest is named), a value of another type, or one outside the
            choices.
    """
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ParameterError(f"a parameter is written key=value, got {text!r}")
        pairs[name.strip()] = value
    return check_parameters(pipeline, {name: _parse(pipeline, name, value) for name, value in pairs.items()})


def check_parameters(pipeline: Pipeline, values: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """Check typed arguments: names, choices, and that no parameter without a default is left out."""
    for name, value in values.items():
        _declared(pipeline, name)
        allowed = pipeline.choices.get(name)
        if allowed is not None and value not in allowed:
            raise ParameterError(f"{name}={value!r} is not possible; {pipeline.name} takes {_described(allowed)}")
    missing = [
        name
        for name, parameter in pipeline.parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in values
    ]
    if missing:
        raise ParameterError(f"{pipeline.name} needs {', '.join(missing)}; add --param {missing[0]}=…")
    return dict(values)


def _declared(pipeline: Pipeline, name: str) -> inspect.Parameter:
    known = pipeline.parameters
    if name not in known:
        near = get_close_matches(name, list(known), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ParameterError(f"{pipeline.name} takes no parameter {name!r}; {hint}It takes: {', '.join(known)}")
    return known[name]


def _parse(pipeline: Pipeline, name: str, text: str) -> ParameterValue:
    annotation = _declared(pipeline, name).annotation
    try:
        return _READERS[annotation](text)
    except ValueError as error:
        expected = "list of text" if annotation == list[str] else getattr(annotation, "__name__", str(annotation))
        raise ParameterError(f"{name} is of type {expected}, got {text!r}") from error


def _boolean(text: str) -> bool:
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in values:
        raise ValueError(text)
    return values[text.lower()]


def _texts(text: str) -> list[str]:
    if text.lstrip().startswith("["):
        content = json.loads(text)
        if not all(isinstance(item, str) for item in content):
            raise ValueError(text)
        return list(content)
    return [item.strip() for item in text.split(",") if item.strip()]


_READERS: dict[object, Callable[[str], ParameterValue]] = {
    str: str,
    int: int,
    float: float,
    bool: _boolean,
    list[str]: _texts,
}


def _described(allowed: Iterable[object]) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start} to {allowed.stop - 1}"
    return "one of " + ", ".join(str(value) for value in allowed)
