"""The playbooks that ship with the platform: a file each in `brain/l20/playbooks`, read once, when first asked for."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from brain.l20.strategy.playbook import Playbook

FOLDER = Path(__file__).parents[1] / "playbooks"

Library = Mapping[str, Playbook]
"""Playbooks by name, in order of the name."""


class PlaybookError(ValueError):
    """A file that is no playbook, or playbooks that do not fit together; the message names file and place."""


@lru_cache(maxsize=4)
def load_library(folder: Path = FOLDER) -> Library:
    """Read every `*.yaml` of a folder.

    Raises:
        PlaybookError: One is no playbook, is named otherwise than its file, or links to what is not there.
    """
    found = {path.stem: read_playbook(path) for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise PlaybookError(f"there is no playbook in {folder.name!r}; put NAME.yaml files there")
    for name, playbook in found.items():
        if playbook.name != name:
            raise PlaybookError(f"{name}.yaml holds a playbook named {playbook.name!r}; give both one name")
    check_links(found.values(), found)
    return MappingProxyType(found)


def read_playbook(path: Path) -> Playbook:
    """One playbook; `PlaybookError` where it is none."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - a safe loader either way
        return Playbook.model_validate(document)
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        raise PlaybookError(f"{path.name} is no playbook: {error}") from error


def check_links(playbooks: Iterable[Playbook], library: Library) -> None:
    """Raise `PlaybookError` where a playbook names a playbook or a task of another that is not in the library."""
    for playbook in playbooks:
        named = {link for task in playbook.tasks for link in (*task.links, *filter(None, [task.replaced_by]))}
        for link in sorted(named):
            other, _, task_id = link.partition(".")
            if other not in library or all(task.id != task_id for task in library[other].tasks):
                raise PlaybookError(f"playbook {playbook.name!r} names {link!r}, and there is no such task")
        for other in playbook.uses:
            if other not in library:
                raise PlaybookError(f"playbook {playbook.name!r} uses {other!r}, and there is no such playbook")
