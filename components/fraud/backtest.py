"""What another model or rule set would have decided on history, beside the one in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.fraud.backtest_rows import BacktestError, Cases
from components.fraud.costs import DECISIONS, Costs, decide, decision_costs
from components.fraud.detectors import DETECTORS
from components.fraud.evaluation.contenders import MODEL, THRESHOLDS, ServedThresholds, onnx_probability, read_model
from components.fraud.rules import Decision, RuleSet
from components.fraud.rules import decide as combine
from feature_repo.fraud import CARD_FEATURE_NAMES

if TYPE_CHECKING:
    from runtime.registry import ModelRegistry

CHAMPION = "champion"

WORDS: tuple[Decision, ...] = ("accept", "review", "decline")
"""`DECISIONS` as the rules call them."""

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Policy:
    """A model's folder and a rule set: what decides together. `name` is what people are shown."""

    name: str
    model: Path
    rules: RuleSet


@dataclass(frozen=True)
class Result:
    """What a policy's decisions come to.

    Attributes:
        name: Of the policy.
        alerts_a_day: Reviews and declines a day.
        declines_a_day: Declines a day.
        precision: Frauds among the alerts; NaN where there are none.
        recall: Frauds that are alerts; NaN where there are no frauds.
        cost_minor: Mean cost a transaction.
        by_rules: Decisions that the model alone would have made otherwise.
    """

    name: str
    alerts_a_day: float
    declines_a_day: float
    precision: float
    recall: float
    cost_minor: float
    by_rules: int = 0


def fetch_model(model: str, scratch: Path, registry: "ModelRegistry | None" = None) -> Path:
    """The folder of a model: the champion's bundle, a version's, or a folder that is one already.

    Args:
        model: `champion`, a version's number, or the path of a bundle or candidate.
        scratch: Receives what is downloaded.
        registry: None opens the one in the settings.

    Raises:
        BacktestError: There is no champion, or the folder is no detector of cards.
        RegistryUnavailableError: The registry does not answer.
    """
    folder = Path(model)
    if model != CHAMPION and not model.isdecimal():
        found = read_model(folder)
        if found.detector != "card":
            raise BacktestError(f"{folder} is a {found.detector} detector; only cards have a history to decide again")
        return folder

    from runtime.registry import open_registry

    registry = registry or open_registry()
    name = DETECTORS["card"].model
    version = registry.by_alias(name, CHAMPION) if model == CHAMPION else registry.version(name, model)
    if version is None:
        raise BacktestError(
            f"{name} has no champion yet; run python -m pipelines run fraud-detection --target local, or name a folder"
        )
    return registry.download(version, scratch / f"version-{version.version}")


def backtest(cases: Cases, policies: Sequence[Policy], costs: Costs) -> list[Result]:
    """Decide the same cases by every policy; what was decided at the time comes first where it is known.

    Raises:
        BacktestError: A model reads other features than the cases have.
    """
    results = [] if cases.decided is None else [_result("as decided", cases.decided, cases, costs, 0)]
    for policy in policies:
        own, decision = policy_decisions(policy, cases)
        results.append(_result(policy.name, decision, cases, costs, int((own != decision).sum())))
    return results


def policy_decisions(policy: Policy, cases: Cases) -> tuple[Codes, Codes]:
    """What the model alone decides, and what model and rules decide together; codes of `DECISIONS`, [n] each."""
    described = read_model(policy.model)
    if described.feature_names != tuple(CARD_FEATURE_NAMES):
        raise BacktestError(
            f"{policy.model} reads features {described.feature_digest}, this code computes "
            f"{DETECTORS['card'].feature_digest}; back-test it with the code that it was trained by"
        )
    thresholds = ServedThresholds.model_validate_json((policy.model / THRESHOLDS).read_bytes())
    probability = onnx_probability(policy.model / MODEL, cases.features)
    own = decide(probability, thresholds.review, thresholds.decline)
    together = own.copy()
    for row, (fields, values) in enumerate(zip(cases.fields, cases.features, strict=True)):
        features = dict(zip(CARD_FEATURE_NAMES, values.tolist(), strict=True))
        fired = policy.rules.evaluate(fields, features, float(probability[row]))
        if fired:
            together[row] = DECISIONS.index(combine(WORDS[int(own[row])], fired))
    return own, together


def _result(name: str, decision: Codes, cases: Cases, costs: Costs, by_rules: int) -> Result:
    flagged = decision > 0
    caught = int((flagged & cases.fraud).sum())
    alerts, frauds = int(flagged.sum()), int(cases.fraud.sum())
    return Result(
        name=name,
        alerts_a_day=alerts / cases.days,
        declines_a_day=int((decision == len(DECISIONS) - 1).sum()) / cases.days,
        precision=caught / alerts if alerts else float("nan"),
        recall=caught / frauds if frauds else float("nan"),
        cost_minor=float(decision_costs(decision, cases.fraud, cases.amount_minor, costs).mean()),
        by_rules=by_rules,
    )
