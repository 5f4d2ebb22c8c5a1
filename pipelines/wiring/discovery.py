"""Which pipelines there are: one file a pipeline, directly in `pipelines/`, named like it."""

import importlib
import pkgutil
from difflib import get_close_matches

import pipelines
from pipelines.wiring.definition import Pipeline


class UnknownPipelineError(LookupError):
    """No pipeline has this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"there is no pipeline {name!r}; {hint}The pipelines are: {', '.join(known)}")


def pipeline_names() -> tuple[str, ...]:
    """Every pipeline's name, sorted; imports none of them."""
    found = pkgutil.iter_modules(pipelines.__path__)
    ours = (module.name for module in found if not module.ispkg and not module.name.startswith("_"))
    return tuple(sorted(name.replace("_", "-") for name in ours))


def load_pipeline(name: str) -> Pipeline:
    """Import a pipeline by its name; underscores are taken for hyphens.

    Raises:
        UnknownPipelineError: There is none; names the nearest.
    """
    wanted = name.replace("_", "-")
    known = pipeline_names()
    if wanted not in known:
        raise UnknownPipelineError(name, known)
    module = importlib.import_module(f"pipelines.{wanted.replace('-', '_')}")
    found = [value for value in vars(module).values() if isinstance(value, Pipeline) and value.name == wanted]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must define exactly one pipeline named {wanted!r}, it defines {len(found)}")
    return found[0]
