"""The model versions in service, and whether the process can truly answer."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serving.errors import UnavailableError, unknown_name
from serving.tensors import Health, Predictor

_NOT_LOOKED = Health(False, "the features have not been read yet")


@dataclass
class Served:
    """What the process serves of one model now; changed on the event loop only, so that a swap is one assignment.

    A request reads `require()` once and stays with that predictor, so that no request is lost or mixed in a swap.
    """

    model_name: str
    retry_after_seconds: float
    required: bool = True
    """Whether the process is unready without it."""

    predictor: Predictor | None = None
    health: Health = _NOT_LOOKED
    waiting_for: str = "the champion is being looked up"
    """Why there is no model, while there is none."""

    reload_error: str = ""
    """Why a newer version is not served, while that is so."""

    registry_error: str = ""
    """Why the registry cannot be read, while that is so."""

    draining: bool = False

    def require(self) -> Predictor:
        """The predictor for one request; raise UnavailableError while there is none."""
        if self.predictor is None:
            raise UnavailableError(
                f"no version of {self.model_name} is served yet: {self.waiting_for}",
                retry_after_seconds=max(1.0, self.retry_after_seconds),
            )
        return self.predictor

    def swap(self, predictor: Predictor, health: Health) -> None:
        """Serve `predictor` from the next request on."""
        self.predictor, self.health = predictor, health
        self.reload_error = ""

    @property
    def reason(self) -> str:
        """Why the process is not ready; empty when it is."""
        if self.draining:
            return "the process is shutting down"
        if self.predictor is None:
            return f"no model: {self.waiting_for}"
        return "" if self.health.ok else self.health.reason

    @property
    def ready(self) -> bool:
        """A version is loaded, what it depends on can be read, and the process is not leaving."""
        return not self.reason

    def report(self) -> dict[str, object]:
        """What `/ready` answers."""
        report: dict[str, object] = {"ready": self.ready, "model": self.model_name}
        if self.reason:
            report["reason"] = self.reason
        if self.predictor is not None:
            report |= {"model_version": self.predictor.version, **self.predictor.parameters}
        report["features"] = dict(self.health.details)
        if self.reload_error:
            report["reload_error"] = self.reload_error
        if self.registry_error:
            report["registry_error"] = self.registry_error
        return report


class ServedModels:
    """Every model of a process, by name, in the order of `/ready`."""

    def __init__(self, models: Sequence[Served]) -> None:
        self._models = {served.model_name: served for served in models}
        self._required = [served for served in models if served.required]
        self.draining = False

    def __iter__(self) -> Iterator[Served]:
        return iter(self._models.values())

    def get(self, name: str) -> Served:
        """One model; raise UnknownNameError with the nearest name."""
        found = self._models.get(name)
        if found is None:
            raise unknown_name("model", name, list(self._models))
        return found

    def drain(self) -> None:
        """Say from now on that the process is leaving."""
        self.draining = True
        for served in self:
            served.draining = True

    @property
    def reason(self) -> str:
        """Why the process is not ready: the first required model that is not; empty when all are."""
        for served in self._required:
            if served.reason:
                return served.reason if len(self._models) == 1 else f"{served.model_name}: {served.reason}"
        return ""

    @property
    def ready(self) -> bool:
        """Every required model can answer."""
        return not self.reason

    def report(self) -> dict[str, object]:
        """What `/ready` answers: the one model's report, or all of them under `models`."""
        reports = [served.report() for served in self]
        if len(reports) == 1:
            return reports[0]
        told: dict[str, object] = {"ready": self.ready}
        if self.reason:
            told["reason"] = self.reason
        required = [served.model_name for served in self._required]
        return {**told, "required": required, "models": {str(report["model"]): report for report in reports}}


async def health_within(predictor: Predictor, seconds: float) -> Health:
    """The predictor's health; not ok where it takes longer than this to find out."""
    try:
        async with asyncio.timeout(seconds):
            return await predictor.health()
    except TimeoutError:
        return Health(False, f"the features could not be read within {seconds:g} s")
