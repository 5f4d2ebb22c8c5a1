"""Which weights a training ends with."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.crypto.dataset import load_dataset
from components.crypto.training.checkpoints import Checkpoints
from components.crypto.training.members import EnsembleTraining, TrainedMembers
from components.crypto.training.settings import TrainingSettings
from runtime.object_store.local import LocalObjectStore

Train = Callable[[TrainingSettings], TrainedMembers]


@pytest.fixture
def train(features: Path, tmp_path: Path) -> Train:
    def run(settings: TrainingSettings) -> TrainedMembers:
        dataset = load_dataset(features)
        checkpoints = Checkpoints(LocalObjectStore(tmp_path / "objects"), "key")
        return EnsembleTraining(dataset, dataset.split(), settings, torch.device("cpu"), checkpoints).run()

    return run


def test_a_training_that_diverges_stops_and_keeps_weights_from_before(
    train: Train, tiny_lstm: TrainingSettings
) -> None:
    wild = replace(tiny_lstm, learning_rate=30.0, max_epochs=8, patience_epochs=2)

    trained = train(wild)

    assert len(trained.curve) < wild.max_epochs
    assert max(line.stop_loss for line in trained.curve) > trained.start_loss * (1 + wild.stop_tolerance)
    assert trained.stop_loss <= trained.start_loss * (1 + wild.stop_tolerance)


def test_a_loss_that_is_no_number_is_never_kept(train: Train, tiny_lstm: TrainingSettings) -> None:
    trained = train(replace(tiny_lstm, learning_rate=1e38, patience_epochs=2))

    assert any(math.isnan(line.stop_loss) for line in trained.curve)
    assert math.isfinite(trained.stop_loss)
    assert all(torch.isfinite(value).all() for network in trained.networks for value in network.state_dict().values())


def test_the_latest_of_equally_good_weights_are_kept(train: Train, tiny_lstm: TrainingSettings) -> None:
    trained = train(replace(tiny_lstm, stop_tolerance=0.5))

    assert trained.stop_loss == trained.curve[-1].stop_loss
