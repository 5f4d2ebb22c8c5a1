import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from components.release.champion import ChampionInfo
from components.release.errors import GateError
from components.release.gate import GateRules, decide

WriteLosses = Callable[..., Path]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RULES = GateRules(block_seconds=86_400, resamples=300, margin=0.01, max_champion_age=timedelta(days=30))
BARS = 24 * 15


def _champion(age_days: int = 3, **more: str) -> ChampionInfo:
    return ChampionInfo("7", NOW - timedelta(days=age_days), **more)


def _entrant(level: float, seed: int = 0, wobble: float = 0.0) -> list[np.ndarray]:
    """Losses around `level`; `wobble` is the size of daily shocks of its own, which widen the interval."""
    common = np.random.default_rng(99).normal(0, 0.02, size=(BARS, 2))
    shocks = np.repeat(np.random.default_rng(seed).normal(0, wobble, size=15), 24)[:, None]
    return [level * (1 + common + shocks - shocks.mean())]


def test_the_first_champion_is_the_best_candidate_that_beats_the_naive(write_losses: WriteLosses) -> None:
    losses = write_losses({"lstm": _entrant(0.97), "har": _entrant(0.95), "unconditional": _entrant(1.0)})
    made = decide(losses, candidates=["lstm", "har"], champion=None, rules=RULES, now=NOW)
    assert (made.promote, made.candidate) == (True, "har")
    assert made.reason.startswith("there is no champion; har beats unconditional beyond the interval: loss -5.00%")
    assert made.mean_losses["lstm"] == pytest.approx(0.97, rel=0.01)


def test_a_baseline_that_is_no_candidate_cannot_win(write_losses: WriteLosses) -> None:
    losses = write_losses({"lstm": _entrant(0.97), "ewma": _entrant(0.9), "unconditional": _entrant(1.0)})
    assert decide(losses, candidates=["lstm"], champion=None, rules=RULES, now=NOW).candidate == "lstm"


def test_better_on_average_but_within_the_interval_is_not_enough_for_a_first_champion(
    write_losses: WriteLosses,
) -> None:
    losses = write_losses({"lstm": _entrant(0.995, 1, wobble=0.1), "unconditional": _entrant(1.0)})
    made = decide(losses, candidates=["lstm"], champion=None, rules=RULES, now=NOW)
    assert not made.promote
    assert made.comparisons[0].low < 0 < made.comparisons[0].high
    assert "does not beat unconditional beyond the interval" in made.reason


def test_a_later_champion_must_be_better_beyond_the_interval(write_losses: WriteLosses) -> None:
    entrants = {"champion": _entrant(0.96), "unconditional": _entrant(1.0)}
    better = write_losses({**entrants, "lstm": _entrant(0.94)}, file="better.parquet")
    same = write_losses({**entrants, "lstm": _entrant(0.958, 1, wobble=0.05)}, file="same.parquet")
    promoted = decide(better, candidates=["lstm"], champion=_champion(), rules=RULES, now=NOW)
    kept = decide(same, candidates=["lstm"], champion=_champion(), rules=RULES, now=NOW)
    assert promoted.promote
    assert "better beyond the interval, against champion 7" in promoted.reason
    assert not kept.promote
    assert "not better beyond the interval" in kept.reason
    assert [(c.a, c.b) for c in kept.comparisons] == [("lstm", "unconditional"), ("lstm", "champion")]


@pytest.mark.parametrize(
    ("level", "age_days", "promoted", "said"),
    [
        (0.963, 31, True, "the champion is 31 days old, over 30, and lstm is no worse than 1.00%"),
        (0.963, 30, False, "not better beyond the interval"),
        (0.975, 31, False, "may be worse by more than 1.00%"),
    ],
)
def test_an_old_champion_gives_way_to_one_that_is_no_worse_within_the_margin(
    write_losses: WriteLosses, level: float, age_days: int, promoted: bool, said: str
) -> None:
    losses = write_losses({"champion": _entrant(0.96), "unconditional": _entrant(1.0), "lstm": _entrant(level)})
    made = decide(losses, candidates=["lstm"], champion=_champion(age_days), rules=RULES, now=NOW)
    assert made.promote is promoted
    assert said in made.reason


def test_nothing_that_is_worse_than_the_naive_is_promoted_however_bad_the_champion(write_losses: WriteLosses) -> None:
    losses = write_losses({"champion": _entrant(1.2), "unconditional": _entrant(1.0), "lstm": _entrant(1.01)})
    made = decide(losses, candidates=["lstm"], champion=_champion(90), rules=RULES, now=NOW)
    assert not made.promote
    assert "no better than unconditional" in made.reason


def test_a_champion_that_could_not_be_scored_is_named_and_the_naive_rule_applies(write_losses: WriteLosses) -> None:
    losses = write_losses({"lstm": _entrant(0.97), "unconditional": _entrant(1.0)})
    unscored = _champion(scored_as="", unscored_because="its features are abc, these are def")
    made = decide(losses, candidates=["lstm"], champion=unscored, rules=RULES, now=NOW)
    assert made.promote
    assert "champion 7 could not be scored (its features are abc, these are def)" in made.reason
    assert [c.b for c in made.comparisons] == ["unconditional"]


@pytest.mark.parametrize(
    ("candidates", "champion", "said"),
    [([], None, "any candidate"), (["gru"], None, "gru"), (["lstm"], _champion(), "champion")],
)
def test_who_is_missing_in_the_losses_is_named(
    write_losses: WriteLosses, candidates: list[str], champion: ChampionInfo | None, said: str
) -> None:
    losses = write_losses({"lstm": _entrant(0.97), "unconditional": _entrant(1.0)})
    with pytest.raises(GateError, match=said):
        decide(losses, candidates=candidates, champion=champion, rules=RULES, now=NOW)


def test_the_decision_is_written_as_json(write_losses: WriteLosses, tmp_path: Path) -> None:
    losses = write_losses({"lstm": _entrant(0.97), "unconditional": _entrant(1.0)})
    decide(losses, candidates=["lstm"], champion=None, rules=RULES, now=NOW).write(tmp_path / "gate.json")
    written = json.loads((tmp_path / "gate.json").read_text())
    assert written["promote"] is True
    assert written["comparisons"][0]["relative"] == pytest.approx(-0.03)
