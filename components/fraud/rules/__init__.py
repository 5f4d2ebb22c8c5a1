"""Rules beside the model: YAML with a schema, a version that is its content, and an evaluation in plain Python."""

from components.fraud.rules.combine import Decision, decide
from components.fraud.rules.defaults import default_rules
from components.fraud.rules.document import Action, RuleSetDocument
from components.fraud.rules.errors import RuleSetError
from components.fraud.rules.evaluation import Fired, RuleSet
from components.fraud.rules.reading import load_rules

__all__ = [
    "Action",
    "Decision",
    "Fired",
    "RuleSet",
    "RuleSetDocument",
    "RuleSetError",
    "decide",
    "default_rules",
    "load_rules",
]
