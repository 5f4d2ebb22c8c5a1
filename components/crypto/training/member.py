"""One member network in training: epochs over random stretches, an averaged copy that is validated, early stopping."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypedDict

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from components.crypto.networks import Forecaster
from components.crypto.training.loss import TrainingLoss
from components.crypto.training.samples import Samples, Stretches, gather
from components.crypto.training.settings import TrainingSettings

WARM_UP_STEPS = 50
LARGEST_GRADIENT = 1.0
SMALLEST_RATE_SHARE = 0.02

CutStretches = Callable[[int], Stretches]
"""Training stretches of an epoch that leaves out that many bars at the start of each run."""

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class EpochReport:
    """One line of the learning curve; losses are pinball in units of the reference volatility."""

    member: int
    epoch: int
    train_loss: float
    stop_loss: float
    learning_rate: float
    seconds: float

    @classmethod
    def parse(cls, line: Mapping[str, int | float]) -> "EpochReport":
        """Read back what `dataclasses.asdict` made of one."""
        return cls(
            member=int(line["member"]),
            epoch=int(line["epoch"]),
            train_loss=line["train_loss"],
            stop_loss=line["stop_loss"],
            learning_rate=line["learning_rate"],
            seconds=line["seconds"],
        )


class MemberState(TypedDict):
    """Everything that a member's next epoch depends on, as `torch.save` can write and safely read it."""

    network: Weights
    average: Weights
    optimizer: dict[str, object]
    scaler: dict[str, object]
    generator: torch.Tensor
    random: torch.Tensor
    cuda_random: list[torch.Tensor]
    epoch: int
    best_loss: float
    kept_epoch: int
    kept_loss: float
    kept: Weights
    curve: list[dict[str, int | float]]


class MemberTraining:
    """Trains one network; its whole state can be taken out after an epoch and put back in another process."""

    def __init__(
        self,
        network: Forecaster,
        settings: TrainingSettings,
        samples: Samples,
        cut: CutStretches,
        stop: Stretches,
        number: int = 0,
    ) -> None:
        self._settings, self._samples, self._cut, self._stop, self._number = settings, samples, cut, stop, number
        self._device = samples.inputs.device
        self._network = network.to(self._device)
        self._average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.average_decay))
        self._loss = TrainingLoss(network.head, settings).to(self._device)
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(learned, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._device.type == "cuda")
        self._horizons = torch.arange(network.head.horizon_bars, device=self._device)
        self._generator = torch.Generator().manual_seed(settings.seed + number)
        self._epoch = 0
        self._best_loss = math.inf
        self._kept_epoch, self._kept_loss, self._kept = -1, math.inf, dict[str, torch.Tensor]()
        self.curve: list[EpochReport] = []
        self.start_loss = self._validate()
        self._keep_if_good(-1, self.start_loss)

    @property
    def finished(self) -> bool:
        """Whether the last epoch ran or patience ran out."""
        waited = self._epoch - 1 - max(self._kept_epoch, 0)
        return self._epoch >= self._settings.max_epochs or waited >= self._settings.patience_epochs

    @property
    def kept(self) -> Weights:
        """The averaged weights that training ends with."""
        return self._kept

    @property
    def kept_loss(self) -> float:
        """Their loss on the stop slice."""
        return self._kept_loss

    def run_epoch(self) -> EpochReport:
        """Train one epoch, validate the averaged weights, and keep them if they are good enough."""
        started = time.perf_counter()
        offset = int(torch.randint(self._settings.chunk_bars, (1,), generator=self._generator))
        cuts = self._cut(offset)
        order = torch.randperm(len(cuts.first), generator=self._generator).numpy()
        steps = math.ceil(len(order) / self._settings.batch_chunks)
        self._network.train()
        total = 0.0
        for number, part in enumerate(cuts.batches(self._settings.batch_chunks, order)):
            self._set_rate(self._epoch + number / steps, self._epoch * steps + number)
            total += self._step(part)
        stop_loss = self._validate()
        self._keep_if_good(self._epoch, stop_loss)
        rate = float(self._optimizer.param_groups[0]["lr"])
        seconds = time.perf_counter() - started
        report = EpochReport(self._number, self._epoch, total / steps, stop_loss, rate, seconds)
        self.curve.append(report)
        self._epoch += 1
        return report

    def state(self) -> MemberState:
        """Everything that the next epoch depends on."""
        return {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "generator": self._generator.get_state(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if self._device.type == "cuda" else [],
            "epoch": self._epoch,
            "best_loss": self._best_loss,
            "kept_epoch": self._kept_epoch,
            "kept_loss": self._kept_loss,
            "kept": self._kept,
            "curve": self.curve_lines(),
        }

    def restore(self, state: MemberState) -> None:
        """Go on from a state that `state` gave."""
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self._generator.set_state(state["generator"])
        torch.set_rng_state(state["random"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state_all(state["cuda_random"])
        self._epoch, self._best_loss = state["epoch"], state["best_loss"]
        self._kept_epoch, self._kept_loss = state["kept_epoch"], state["kept_loss"]
        self._kept = dict(state["kept"])
        self.curve = [EpochReport.parse(line) for line in state["curve"]]

    def curve_lines(self) -> list[dict[str, int | float]]:
        """The learning curve as plain records."""
        return [asdict(line) for line in self.curve]

    def _set_rate(self, epoch: float, step: int) -> None:
        cosine = 0.5 * (1.0 + math.cos(math.pi * epoch / self._settings.max_epochs))
        share = min(1.0, (step + 1) / WARM_UP_STEPS) * max(SMALLEST_RATE_SHARE, cosine)
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * share

    def _some_horizons(self) -> torch.Tensor:
        count = len(self._horizons)
        chosen = torch.randperm(count, generator=self._generator)[: self._settings.horizons_per_step]
        return chosen.sort().values.to(self._device)

    def _forecast(
        self, model: torch.nn.Module, part: Stretches, horizons: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        read, chunk = self._settings.burn_in_bars, self._settings.chunk_bars
        rows, counts = gather(self._samples, part, read_bars=read, chunk_bars=chunk)
        with torch.autocast(self._device.type, dtype=torch.float16, enabled=self._device.type == "cuda"):
            quantiles = model.from_inputs(self._samples.inputs[rows], read, horizons)
        return quantiles.float(), rows[:, read:], counts

    def _step(self, part: Stretches) -> float:
        horizons = self._some_horizons()
        quantiles, rows, counts = self._forecast(self._network, part, horizons)
        targets = self._samples.targets[rows][..., horizons]
        log_moves = self._samples.log_moves[rows][..., horizons]
        loss = self._loss(quantiles, targets, log_moves, counts, horizons)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), LARGEST_GRADIENT)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._average.update_parameters(self._network)
        return float(self._loss.pinball(quantiles.detach(), targets, counts, horizons))

    def _validate(self) -> float:
        model = self._average.module.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for part in self._stop.batches(4 * self._settings.batch_chunks):
                quantiles, rows, counts = self._forecast(model, part, self._horizons)
                known = int(counts.sum())
                loss = self._loss.pinball(quantiles, self._samples.targets[rows], counts, self._horizons)
                total += known * float(loss)
                count += known
        return total / max(count, 1)

    def _keep_if_good(self, epoch: int, loss: float) -> None:
        """Keep the latest weights that are within the tolerance of the best: smaller differences are noise."""
        good = loss <= min(self._best_loss, loss) * (1.0 + self._settings.stop_tolerance)
        if not good:  # not a number is not good
            return
        self._best_loss = min(self._best_loss, loss)
        weights = self._average.module.state_dict()
        self._kept = {name: value.detach().cpu().clone() for name, value in weights.items()}
        self._kept_epoch, self._kept_loss = epoch, loss
