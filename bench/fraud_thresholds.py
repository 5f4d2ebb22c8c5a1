"""What thresholds of expected cost save against thresholds that labels choose: `python -m bench.fraud_thresholds`.

Simulated towns, each trained on as the quick profile does, with the first trial's settings. Costs are those of the
default prices on the gate slice, per transaction in minor units; `known` are the thresholds that the gate's own labels
would have chosen, the least that a pair of thresholds can cost there.
"""

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from components.fraud.cards.history import build_history
from components.fraud.cards.simulator import simulate
from components.fraud.costs import ACCEPT, COSTS, DECLINE, REVIEW, choose_thresholds, decide, decision_costs
from components.fraud.detectors import DETECTORS
from components.fraud.prepare import ROWS
from components.fraud.splits import card_split
from components.fraud.training.calibration import fit_calibration
from components.fraud.training.learner import LEARNERS, FloatArray, recipe
from components.fraud.training.rows import Rows, load_rows
from components.fraud.training.search import search

CARD, PRICES = DETECTORS["card"], COSTS["card"]
FIRST = datetime(2026, 11, 20, 5, tzinfo=UTC)
STEP = timedelta(hours=37)
"""Between the ends of two towns, so that weekdays and hours differ."""


def main() -> None:
    """Print a row a town and learner, and the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--towns", type=int, default=7)
    towns = parser.parse_args().towns
    print("| town | learner | frauds | review, labels | review, expected | labels | expected | known |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    costs = []
    for town in range(towns):
        slices = _slices(town)
        for learner in LEARNERS:
            cells = _compared(slices, learner)
            costs.append(cells[-3:])
            shown = " | ".join(f"{value:.4f}" for value in cells[:2]) + " | "
            shown += " | ".join(f"{value:.2f}" for value in cells[2:])
            print(f"| {town} | {learner} | {int(slices['thresholds'].fraud.sum())} | {shown} |", flush=True)
    print("| mean | | | | | " + " | ".join(f"{value:.2f}" for value in np.mean(costs, axis=0)) + " |")


def _slices(town: int) -> dict[str, Rows]:
    with tempfile.TemporaryDirectory() as folder:
        transactions, features = Path(folder, "transactions.parquet"), Path(folder, "features.parquet")
        simulate(transactions, end=FIRST + town * STEP, rows=ROWS["quick"], seed=town)
        build_history(transactions, features)
        rows = load_rows(features, CARD)
        split = card_split(features, timedelta(seconds=CARD.label_delay_seconds))
        return {name: rows[mask] for name, mask in split.items()}


def _compared(slices: dict[str, Rows], learner: str) -> tuple[float, ...]:
    """Two review thresholds and three costs."""
    fitted = search(recipe(learner), slices["train"], slices["stop"], trials=1, seed=0).fitted
    calibrate, chosen_on, gate = slices["calibrate"], slices["thresholds"], slices["gate"]
    calibration = fit_calibration(fitted.margin(calibrate.features), calibrate.fraud)
    probability, unseen = (calibration.apply(fitted.margin(rows.features)) for rows in (chosen_on, gate))
    expected = choose_thresholds(probability, chosen_on.amount_minor, PRICES)
    by_labels, known = _by_labels(probability, chosen_on), _by_labels(unseen, gate)
    pairs = (by_labels, (expected.review, expected.decline), known)
    prices = (
        float(decision_costs(decide(unseen, *pair), gate.fraud, gate.amount_minor, PRICES).mean()) for pair in pairs
    )
    return (by_labels[0], expected.review, *prices)


def _by_labels(probability: FloatArray, rows: Rows) -> tuple[float, float]:
    """Review and decline thresholds whose decisions cost least on labelled rows, of all between distinct values."""
    order = np.argsort(probability, kind="stable")
    ascending, fraud, amount = probability[order], rows.fraud[order], rows.amount_minor
    size = len(order)
    shown = None if amount is None else amount[order]
    accepted, reviewed, declined = (
        np.concatenate([[0.0], np.cumsum(decision_costs(np.full(size, code), fraud, shown, PRICES))])
        for code in (ACCEPT, REVIEW, DECLINE)
    )
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(ascending)) + 1, [size]])
    left, right = (accepted - reviewed)[cuts], (reviewed - declined)[cuts]
    upper = int(np.argmin(np.minimum.accumulate(left) + right))
    lower = int(np.argmin(left[: upper + 1]))
    between = np.concatenate([[0.0], (ascending[cuts[1:-1] - 1] + ascending[cuts[1:-1]]) / 2, [1.0]])
    return float(between[lower]), float(between[upper])


if __name__ == "__main__":
    main()
