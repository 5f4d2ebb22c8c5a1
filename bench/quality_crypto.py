"""Forecast quality, measured: `python -m bench.quality_crypto [--profile full|quick] [--data PATH] [--no-peers]`.

All eight recorded coins; everything is fitted on the first four fifths of the hours, and the last fifth is scored. The
score is the mean, over BTC, ETH, SOL and DOGE and horizons of 1, 6 and 24 hours, of the pinball loss relative to the
coin's unconditional quantiles. Tuning has its own script and never looks at the last fifth (`bench.quality.tune`).
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.quality.peers import PeersMissingError, peer_forecasts, peer_python
from bench.quality.scoring import POSITIONS, score_all, scored_rows
from bench.quality.slices import DATA, benchmark_split, build_table, work_folder
from bench.quality.table import markdown
from components.crypto.baselines import BASELINES
from components.crypto.candidate import MODEL
from components.crypto.dataset import Dataset, IntArray, load_dataset
from components.crypto.export import Graph
from components.crypto.splits import Interval, Split
from components.crypto.training import fit_candidate
from feature_repo.crypto import WINDOW_BARS

NETWORKS = ("lstm", "transformer")
BASELINE_NAMES = ("unconditional", "ewma", "har")
PEER_STEPS = 300
PEER_SECONDS = 3600

Forecasts = dict[str, npt.NDArray[np.float32]]


def main() -> None:
    """Fit, score, print the table and write it as JSON."""
    arguments = _arguments()
    if not list(arguments.data.glob("*.parquet")):
        print(f"skipped: no recorded candles in {arguments.data}; pass --data")
        return
    features = build_table(arguments.data)
    dataset = load_dataset(features)
    split = benchmark_split(dataset)
    rows = scored_rows(dataset, dataset.rows(split.gate, WINDOW_BARS))
    print(f"{len(rows)} origins from {split.gate.start} on", flush=True)
    forecasts = _baselines(dataset, split, rows)
    seconds = {}
    for network in NETWORKS:
        forecasts[network], seconds[network] = _network(features, dataset, split, rows, network, arguments)
    if arguments.peers:
        forecasts |= _peers(dataset, split, rows, arguments)
    scores = score_all(dataset, rows, forecasts)
    print(markdown(scores))
    result = {"profile": arguments.profile, "seed": arguments.seed, "origins": len(rows), "training_seconds": seconds}
    result["scores"] = {name: asdict(score) for name, score in scores.items()}
    target = arguments.json or work_folder() / f"quality_{arguments.profile}.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {target}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("quick", "full"), default="full")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peer-python", type=Path, help="an interpreter that has neuralforecast")
    parser.add_argument("--peer-steps", type=int, default=PEER_STEPS)
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    return parser.parse_args()


def _baselines(dataset: Dataset, split: Split, rows: IntArray) -> Forecasts:
    """Baselines have nothing to stop or calibrate: they are fitted on everything before the held-out slice."""
    known = dataset.rows(Interval(split.train.start, split.calibrate.end))
    return {name: BASELINES[name](dataset, known).predict(dataset, rows)[:, POSITIONS] for name in BASELINE_NAMES}


def _network(
    features: Path, dataset: Dataset, split: Split, rows: IntArray, network: str, arguments: argparse.Namespace
) -> tuple[npt.NDArray[np.float32], float]:
    began = time.perf_counter()
    folder = work_folder() / f"quality_{network}_{arguments.profile}_{arguments.seed}"
    report = fit_candidate(
        features,
        folder,
        network=network,
        profile=arguments.profile,
        seed=arguments.seed,
        split=split,
        progress=lambda line: print(f"{network}: {line}", flush=True),
    )
    print(f"{network}: {dict(report.metrics)}, {time.perf_counter() - began:.0f} s", flush=True)
    graph = Graph((folder / MODEL).read_bytes())
    parts = [graph(windows)[:, POSITIONS] for windows in dataset.window_batches(rows, report.window_bars)]
    return np.concatenate(parts), report.seconds


def _peers(dataset: Dataset, split: Split, rows: IntArray, arguments: argparse.Namespace) -> Forecasts:
    test_bars = int((split.gate.end - split.gate.start) / dataset.timeframe.delta)
    try:
        python = peer_python(arguments.peer_python)
        return peer_forecasts(python, dataset, rows, test_bars, steps=arguments.peer_steps, limit_seconds=PEER_SECONDS)
    except PeersMissingError as error:
        print(f"peers skipped: {error}")
        return {}


if __name__ == "__main__":
    main()
