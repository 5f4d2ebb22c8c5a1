"""What training takes from the machine it runs on."""

import contextlib
import os
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TrainingEnvironment(BaseSettings):
    """Environment variables with the prefix `TRAINING_`."""

    model_config = SettingsConfigDict(env_prefix="TRAINING_", frozen=True, extra="ignore")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes CUDA where there is one."""

    threads: int = Field(default=1, ge=1, le=64)
    """Threads of one operation on the CPU. The operations are small, so that a second one mostly waits for the first;
    fixed, so that the same seed gives the same model on any number of cores."""

    def torch_device(self) -> torch.device:
        """The device that training runs on."""
        found = torch.cuda.is_available()
        return torch.device("cuda" if self.device == "cuda" or (self.device == "auto" and found) else "cpu")


@contextlib.contextmanager
def reproducible(environment: TrainingEnvironment, seed: int) -> Iterator[torch.device]:
    """Seed torch and ask it for deterministic algorithms; what was set before is set again afterwards."""
    device = environment.torch_device()
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        try:
            torch.set_num_threads(environment.threads)
            torch.use_deterministic_algorithms(True)
            torch.manual_seed(seed)
            yield device
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)
