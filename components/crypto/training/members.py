"""All members, one after the other, going on from the last checkpoint where there is one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypedDict, cast

import torch

from components.crypto.dataset import Dataset
from components.crypto.networks import Forecaster
from components.crypto.networks.inputs import InputEncoder
from components.crypto.splits import Split
from components.crypto.training.checkpoints import Checkpoints
from components.crypto.training.member import EpochReport, MemberState, MemberTraining, Weights
from components.crypto.training.samples import Samples, make_samples, stretches
from components.crypto.training.settings import TrainingSettings
from components.crypto.training.start import Start, fit_start


@dataclass(frozen=True)
class TrainingProgress:
    """An epoch has ended; `str` gives a line for a log."""

    report: EpochReport
    members: int
    max_epochs: int
    start_loss: float
    remaining_seconds: float

    def __str__(self) -> str:
        r = self.report
        return (
            f"member {r.member + 1}/{self.members} epoch {r.epoch + 1}/{self.max_epochs}: train {r.train_loss:.5f}, "
            f"stop {r.stop_loss:.5f} ({100 * (r.stop_loss / self.start_loss - 1):+.2f} % on the start), "
            f"at most {self.remaining_seconds:.0f} s to go"
        )


OnProgress = Callable[[TrainingProgress], None]


class Finished(TypedDict):
    """A member that is trained."""

    kept: Weights
    kept_loss: float
    curve: list[dict[str, int | float]]


class TrainingState(TypedDict):
    """What a checkpoint holds: members that are trained, and the one in training."""

    finished: list[Finished]
    current: MemberState | None


@dataclass(frozen=True)
class TrainedMembers:
    """Networks with the weights they ended with, the learning curve, and mean losses on the stop slice."""

    networks: list[Forecaster]
    curve: list[EpochReport]
    start_loss: float
    stop_loss: float


class EnsembleTraining:
    """Trains the members of one candidate on one dataset and split."""

    def __init__(
        self,
        dataset: Dataset,
        split: Split,
        settings: TrainingSettings,
        device: torch.device,
        checkpoints: Checkpoints,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._dataset, self._settings, self._device = dataset, settings, device
        self._checkpoints, self._on_progress = checkpoints, on_progress
        rows = dataset.rows(split.train)
        self._encoder = InputEncoder(dataset.feature_names)
        self._encoder.fit(torch.from_numpy(dataset.features[rows]))
        samples = make_samples(dataset, self._encoder)
        self._start: Start = fit_start(samples, rows, self._encoder.start_mask)
        self._samples: Samples = samples.to(device)
        cut = partial(stretches, dataset, read_bars=settings.burn_in_bars, chunk_bars=settings.chunk_bars)
        self._cut = lambda offset: cut(split.train, offset=offset)
        self._stop = cut(split.stop)

    def run(self) -> TrainedMembers:
        """Train what is not trained yet; the result is the same wherever an earlier run broke off."""
        saved = cast("TrainingState | None", self._checkpoints.load()) or {"finished": [], "current": None}
        finished, current = list(saved["finished"]), saved["current"]
        start_loss = 0.0
        for number in range(self._settings.members):
            training = self._member(number)
            start_loss = training.start_loss
            if number < len(finished):
                continue
            if current is not None:
                training.restore(current)
                current = None
            self._train(training, finished)
            finished.append({"kept": training.kept, "kept_loss": training.kept_loss, "curve": training.curve_lines()})
            self._checkpoints.save({"finished": finished, "current": None})
        return TrainedMembers(
            networks=[self._with(member["kept"]) for member in finished],
            curve=[EpochReport.parse(line) for member in finished for line in member["curve"]],
            start_loss=start_loss,
            stop_loss=sum(member["kept_loss"] for member in finished) / len(finished),
        )

    def _train(self, training: MemberTraining, finished: list[Finished]) -> None:
        began, ran = time.perf_counter(), 0
        while not training.finished:
            report = training.run_epoch()
            ran += 1
            self._checkpoints.save({"finished": finished, "current": training.state()})
            if self._on_progress is None:
                continue
            s = self._settings
            left = (s.members - report.member) * s.max_epochs - report.epoch - 1
            pace = (time.perf_counter() - began) / ran
            self._on_progress(TrainingProgress(report, s.members, s.max_epochs, training.start_loss, pace * left))

    def _member(self, number: int) -> MemberTraining:
        torch.manual_seed(self._settings.seed + number)
        network = self._network()
        network.head.start_at(self._start.weight, self._start.bias)
        network.head.shape_at(self._start.quantiles)
        return MemberTraining(network, self._settings, self._samples, self._cut, self._stop, number)

    def _network(self) -> Forecaster:
        network = Forecaster(self._settings.network, self._dataset.feature_names, self._dataset.horizon_bars)
        network.encoder.load_state_dict(self._encoder.state_dict())
        return network

    def _with(self, weights: Weights) -> Forecaster:
        network = self._network()
        network.load_state_dict(weights)
        network.eval()
        return network
