"""Whether a candidate may become champion, and which."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.release.champion import ChampionInfo
from components.release.comparison import Comparison, compare, mean_losses
from components.release.errors import GateError

UNCONDITIONAL = "unconditional"


@dataclass(frozen=True)
class GateRules:
    """By what is decided.

    Attributes:
        naive: The entrant that a first champion must beat.
        block_seconds: Length of a bootstrap block; at least the longest horizon.
        margin: By how much, as a share of its loss, a candidate may be worse than a champion that is too old.
        max_champion_age: From when on a champion is too old.
        confidence: Of the intervals.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """

    block_seconds: int
    naive: str = UNCONDITIONAL
    margin: float = 0.005
    max_champion_age: timedelta = timedelta(days=30)
    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class GateDecision:
    """What was decided; `candidate` is the best one, promoted or not."""

    promote: bool
    candidate: str
    reason: str
    comparisons: Sequence[Comparison] = ()
    mean_losses: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """The decision as JSON."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the decision as a JSON file."""
        path.write_text(json.dumps(self.document(), indent=2, sort_keys=True) + "\n")


def decide(
    losses: Path,
    *,
    candidates: Sequence[str],
    champion: ChampionInfo | None,
    rules: GateRules,
    now: datetime | None = None,
) -> GateDecision:
    """Choose the candidate with the least mean loss and decide whether it takes the champion's place.

    - No candidate that is not better than the naive forecast on average is promoted.
    - Without a champion, or with one that could not be scored, it must beat the naive forecast beyond the interval.
    - Otherwise it must beat the champion beyond the interval, or, once the champion is older than
      `rules.max_champion_age`, be no worse than `rules.margin` at the upper end of the interval and beat the naive
      forecast beyond the interval.

    Args:
        losses: The losses table; candidates, naive and, if it could be scored, champion on the same rows.
        candidates: Who may win.
        champion: Who serves, or None.
        rules: By what is decided.
        now: For the champion's age; by default the clock.

    Raises:
        GateError: There is no candidate, somebody is missing in the losses, or the rows cannot be compared.
    """
    means = mean_losses(losses)
    scored = champion is not None and bool(champion.scored_as)
    needed = [*candidates, rules.naive, *([champion.scored_as] if champion is not None and scored else [])]
    missing = [name for name in needed if name not in means]
    if not candidates or missing:
        raise GateError(f"{losses} holds no losses of {', '.join(missing) or 'any candidate'}; it has {sorted(means)}")
    best = min(candidates, key=lambda name: means[name])
    judge = _Judge(losses, best, rules)
    if champion is not None and scored:
        promote, reason = _against_champion(judge, champion, now or datetime.now(UTC))
    else:
        promote, reason = _first(judge, champion)
    return GateDecision(promote, best, reason, tuple(judge.comparisons), means)


class _Judge:
    """Compares the best candidate and remembers the comparisons."""

    def __init__(self, losses: Path, best: str, rules: GateRules) -> None:
        self._losses = losses
        self.best = best
        self.rules = rules
        self.comparisons: list[Comparison] = []

    def against(self, other: str) -> Comparison:
        rules = self.rules
        made = compare(
            self._losses,
            self.best,
            other,
            block_seconds=rules.block_seconds,
            confidence=rules.confidence,
            resamples=rules.resamples,
            seed=rules.seed,
        )
        self.comparisons.append(made)
        return made


def _first(judge: _Judge, champion: ChampionInfo | None) -> tuple[bool, str]:
    naive = judge.against(judge.rules.naive)
    why = (
        "there is no champion"
        if champion is None
        else f"champion {champion.version} could not be scored ({champion.unscored_because or 'no reason given'})"
    )
    verdict = "beats" if naive.high < 0 else "does not beat"
    return naive.high < 0, f"{why}; {judge.best} {verdict} {naive.b} beyond the interval: {_numbers(naive)}"


def _against_champion(judge: _Judge, champion: ChampionInfo, now: datetime) -> tuple[bool, str]:
    naive, ours = judge.against(judge.rules.naive), judge.against(champion.scored_as)
    said = f"against champion {champion.version}: {_numbers(ours)}"
    if naive.relative >= 0:
        return False, f"{judge.best} is no better than {naive.b}: {_numbers(naive)}"
    if ours.high < 0:
        return True, f"{judge.best} is better beyond the interval, {said}"
    age, limit, margin = now - champion.created_at, judge.rules.max_champion_age, judge.rules.margin
    if age <= limit:
        return False, f"{judge.best} is not better beyond the interval, {said}"
    aged = f"the champion is {age.days} days old, over {limit.days}"
    if ours.high > margin:
        return False, f"{aged}, but {judge.best} may be worse by more than {margin:.2%}, {said}"
    if naive.high >= 0:
        return False, f"{aged}, but {judge.best} does not beat {naive.b} beyond the interval: {_numbers(naive)}"
    return True, f"{aged}, and {judge.best} is no worse than {margin:.2%}, {said}"


def _numbers(comparison: Comparison) -> str:
    interval = f"[{comparison.low:+.2%}, {comparison.high:+.2%}]"
    return f"loss {comparison.relative:+.2%} {interval} on {comparison.n} rows, {comparison.blocks} blocks"
