"""The rule sets that the repository ships."""

from functools import lru_cache
from pathlib import Path

from components.fraud.rules.evaluation import RuleSet
from components.fraud.rules.reading import load_rules

_FOLDER = Path(__file__).resolve().parent


@lru_cache(maxsize=1)
def default_rules() -> RuleSet:
    """The rules for cards that are in force where no others are named."""
    path = _FOLDER / "cards.yaml"
    return load_rules(path.read_text(), source=path.name)
