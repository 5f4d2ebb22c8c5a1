"""Tuning on earlier origins: `python -m bench.quality.tune lstm [--profile full] [--origins 3] [--set dropout=0.3 …]`.

Trains on rolling origins that end before the benchmark slice and prints the benchmark's score on each origin's gate, so
that settings are chosen without a look at the held-out fifth. Takes any field of the training or network settings.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from bench.quality.scoring import POSITIONS, QualityScore, score_all, scored_rows
from bench.quality.slices import DATA, build_table, tuning_splits
from bench.quality.table import markdown
from components.crypto.baselines import BASELINES
from components.crypto.candidate import MODEL
from components.crypto.dataset import Dataset, load_dataset
from components.crypto.export import Graph
from components.crypto.splits import Interval, Split
from components.crypto.training import TrainingSettings, fit_candidate, training_settings
from feature_repo.crypto import WINDOW_BARS
from runtime.object_store.local import LocalObjectStore


def main() -> None:
    """Print a table an origin, and the means over origins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=("lstm", "transformer"))
    parser.add_argument("--profile", choices=("quick", "full"), default="full")
    parser.add_argument("--origins", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--set", dest="changes", nargs="*", default=[], metavar="FIELD=VALUE")
    arguments = parser.parse_args()
    features = build_table(arguments.data)
    dataset = load_dataset(features)
    settings = changed(training_settings(arguments.network, arguments.profile), arguments.changes)
    found = []
    for split in tuning_splits(dataset, arguments.origins):
        scores = score_origin(features, dataset, split, settings)
        print(f"\nfrom {split.gate.start} to {split.gate.end}\n\n{markdown(scores)}", flush=True)
        found.append(scores)
    for name in found[0]:
        print(f"{name}: {np.mean([scores[name].mean for scores in found]):.4f}")


def changed(settings: TrainingSettings, changes: list[str]) -> TrainingSettings:
    """Replace fields of the settings, or of the network's, by `FIELD=VALUE` texts."""
    inner, outer = settings.network.__dict__, settings.__dict__
    for change in changes:
        name, _, text = change.partition("=")
        if name in inner:
            network = dataclasses.replace(settings.network, **{name: type(inner[name])(text)})
            settings = dataclasses.replace(settings, network=network)
        else:
            settings = dataclasses.replace(settings, **{name: type(outer[name])(text)})
    return settings


def score_origin(features: Path, dataset: Dataset, split: Split, settings: TrainingSettings) -> dict[str, QualityScore]:
    """Train on one origin and score its gate beside unconditional quantiles and HAR."""
    rows = scored_rows(dataset, dataset.rows(split.gate, WINDOW_BARS))
    known = dataset.rows(Interval(split.train.start, split.calibrate.end))
    forecasts = {
        name: BASELINES[name](dataset, known).predict(dataset, rows)[:, POSITIONS] for name in ("unconditional", "har")
    }
    with tempfile.TemporaryDirectory() as folder:
        report = fit_candidate(
            features,
            Path(folder) / "candidate",
            network=settings.network.network,
            settings=settings,
            split=split,
            store=LocalObjectStore(Path(folder) / "objects"),
        )
        graph = Graph((Path(folder) / "candidate" / MODEL).read_bytes())
    parts = [graph(windows)[:, POSITIONS] for windows in dataset.window_batches(rows, report.window_bars)]
    return score_all(dataset, rows, {**forecasts, report.network: np.concatenate(parts)})


if __name__ == "__main__":
    main()
