"""The Fraud Detection Handbook's cards: its own protocol, and what a live system would have known.

Protocol (Le Borgne et al. 2022): train on 25 to 31 July 2018, seven days of label delay, test on 8 to 14 August; a card
whose fraud is known by a test day is left out of that day. The same rows are then scored by models that were trained on
everything whose label was known on 8 August, and by these models, unchanged, on the two weeks that follow. Features and
settings were chosen on weeks before August.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from bench.fraud.common import DATA, Array, markdown, work_folder
from components.fraud.cards.handbook import SCENARIOS, load_handbook
from components.fraud.cards.history import OtherDefinitionsError, build_history, read_card_features
from components.fraud.training.learner import Fitted, Settings, recipe
from feature_repo.fraud import CARD_FEATURE_NAMES

SET = DATA / "fraud_card_handbook"
TOP_CARDS = 100
ALERTED = 0.01
"""Share of transactions that a recall may alert on."""

GENUINE_ROWS = 200_000
"""Genuine rows, drawn at random, that the models trained on everything are fitted on beside every fraud."""

DELAY = np.timedelta64(7, "D")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cards:
    """The set as arrays, in order of time."""

    day: npt.NDArray[np.datetime64]
    card: npt.NDArray[np.int64]
    fraud: npt.NDArray[np.int8]
    scenario: npt.NDArray[np.str_]
    features: npt.NDArray[np.float32]

    def between(self, first: str, last: str) -> Mask:
        """Rows of these days of 2018, both included."""
        return np.asarray((self.day >= np.datetime64(f"2018-{first}")) & (self.day <= np.datetime64(f"2018-{last}")))

    def tested(self, first: str, last: str) -> Mask:
        """Rows of a week of test days without the cards whose fraud is known on the day.

        As in the Handbook, frauds count from the week of training on, two weeks before the first test day.
        """
        rows = self.between(first, last)
        start = np.datetime64(f"2018-{first}")
        for day in np.unique(self.day[rows]):
            matured = (self.day >= start - 2 * DELAY) & (self.day < day - DELAY) & (self.fraud == 1)
            week = (self.day >= start - 2 * DELAY) & (self.day < start - DELAY) & (self.fraud == 1)
            rows &= ~((self.day == day) & np.isin(self.card, self.card[matured | week]))
        return np.asarray(rows)


def run(seed: int, learners: Sequence[str]) -> None:
    """Build the features, fit and print the tables of each learner as soon as there are any."""
    if not SET.is_dir():
        print(f"skipped: the Handbook's set is not at {SET}")
        return
    cards = _cards()
    stop = cards.between("07-18", "07-24")
    everything = _sampled(cards, cards.between("05-08", "07-31"), seed)
    before = _sampled(cards, cards.between("05-08", "07-10"), seed)
    weeks = {"8-14 August": ("08-08", "08-14"), "15-21": ("08-15", "08-21"), "22-28": ("08-22", "08-28")}
    test = cards.tested(*weeks["8-14 August"])
    for learner in learners:
        protocol, live, scenarios = [], [], []
        defaults = recipe(learner).defaults
        fitted = _fit(cards, learner, cards.between("07-25", "07-31"), stop, defaults, seed)
        protocol.append([f"{learner}, a week", *_scores(cards, test, fitted)])
        print(protocol[-1], flush=True)
        # How many rounds is found on a week with nothing after it in training; then that week is trained on as well.
        settings = defaults
        if learner == "xgboost":
            found = _fit(cards, learner, before, stop, defaults, seed)
            settings = {**defaults, "rounds": int(found.learned["rounds"])}
        fitted = _fit(cards, learner, everything, stop, settings, seed)
        protocol.append([f"{learner}, everything known", *_scores(cards, test, fitted)])
        print(protocol[-1], flush=True)
        for name, span in weeks.items():
            later = cards.tested(*span)
            live.append([learner, name, *_scores(cards, later, fitted)])
            scenarios.append([learner, name, *_by_scenario(cards, later, fitted)])
        print("\n" + markdown(["8-14 August", "AUC", "AP", f"card precision@{TOP_CARDS}"], protocol) + "\n")
        print(markdown(["trained to 31 July", "tested on", "AUC", "AP", f"card precision@{TOP_CARDS}"], live) + "\n")
        names = [f"{what} {name.replace('_', ' ')}" for name in SCENARIOS[1:] for what in ("AP", "recall")]
        print(markdown(["", "tested on", *names], scenarios) + "\n", flush=True)


def _cards() -> Cards:
    transactions, features = work_folder() / "cards.parquet", work_folder() / "card_features.parquet"
    key_columns = ["occurred_at", "customer_id", "fraud", "pattern"]
    try:
        keys = read_card_features(features, key_columns)
    except (FileNotFoundError, OtherDefinitionsError):
        load_handbook(SET, transactions)
        report = build_history(transactions, features)
        print(f"{report.rows} transactions, {report.seconds:.0f} s for their features", flush=True)
        keys = read_card_features(features, key_columns)
    table = read_card_features(features, list(CARD_FEATURE_NAMES))
    matrix = np.empty((len(table), len(CARD_FEATURE_NAMES)), dtype=np.float32)
    for at, name in enumerate(CARD_FEATURE_NAMES):
        matrix[:, at] = table[name].to_numpy()
    return Cards(
        day=keys["occurred_at"].to_numpy().astype("datetime64[D]"),
        card=keys["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64),
        fraud=keys["fraud"].to_numpy(),
        scenario=keys["pattern"].to_numpy(zero_copy_only=False).astype(str),
        features=matrix,
    )


def _fit(cards: Cards, learner: str, rows: Mask, stop: Mask, settings: Settings, seed: int) -> Fitted:
    parts = (cards.features[rows], cards.fraud[rows], cards.features[stop], cards.fraud[stop])
    return recipe(learner).fit(*parts, settings, seed)


def _sampled(cards: Cards, rows: Mask, seed: int) -> Mask:
    """Every fraud of the rows and at most `GENUINE_ROWS` others."""
    genuine = np.flatnonzero(rows & (cards.fraud == 0))
    dropped = np.random.default_rng(seed).permutation(genuine)[GENUINE_ROWS:]
    kept = rows.copy()
    kept[dropped] = False
    return kept


def _scores(cards: Cards, test: Mask, fitted: Fitted) -> list[float]:
    score, fraud = fitted.margin(cards.features[test]), cards.fraud[test]
    precision = _card_precision(cards.day[test], cards.card[test], fraud, score)
    return [float(roc_auc_score(fraud, score)), float(average_precision_score(fraud, score)), precision]


def _card_precision(day: Array, card: Array, fraud: Array, score: Array) -> float:
    """Mean over days of the share of compromised cards among the 100 that score highest.

    A card that was found is not sought again: the Handbook's card precision top-k.
    """
    found: set[int] = set()
    daily = []
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        best: dict[int, tuple[float, bool]] = {}
        for one, value, label in zip(card[rows], score[rows], fraud[rows] == 1, strict=True):
            if one not in found:
                highest, hit = best.get(one, (-np.inf, False))
                best[one] = (max(highest, value), hit or bool(label))
        top = sorted(best, key=lambda one: -best[one][0])[:TOP_CARDS]
        hits = [one for one in top if best[one][1]]
        found.update(hits)
        daily.append(len(hits) / TOP_CARDS)
    return float(np.mean(daily))


def _by_scenario(cards: Cards, test: Mask, fitted: Fitted) -> list[float]:
    """Average precision of each scenario's frauds among the genuine rows, and their recall among the alerted."""
    score, fraud, scenario = fitted.margin(cards.features[test]), cards.fraud[test], cards.scenario[test]
    limit = np.quantile(score, 1.0 - ALERTED)
    found: list[float] = []
    for name in SCENARIOS[1:]:
        of_it = scenario == name
        rows = of_it | (fraud == 0)
        found.append(float(average_precision_score(of_it[rows], score[rows])))
        found.append(float((score[of_it] >= limit).mean()))
    return found
