"""From what the model says and what the rules say to one decision."""

from collections.abc import Sequence
from typing import Literal

from components.fraud.rules.evaluation import Fired

Decision = Literal["accept", "review", "decline"]


def decide(model: Decision, fired: Sequence[Fired]) -> Decision:
    """Deny beats allow beats model: a rule that declines, else one that accepts, else the stricter of model and review.

    A rule that asks for a review thus never softens a decline of the model, and an allow list does.
    """
    actions = {rule.action for rule in fired}
    if "decline" in actions:
        return "decline"
    if "accept" in actions:
        return "accept"
    return "review" if "review" in actions and model == "accept" else model
