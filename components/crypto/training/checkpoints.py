"""Where training stands, kept in object storage after every epoch, so that a killed run goes on and ends the same."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch

from components.crypto import candidate, networks
from components.crypto.candidate import Parameter
from runtime.object_store import ObjectNotFoundError, ObjectStore

PREFIX = "training/crypto"

State = Mapping[str, object]


def code_digest() -> str:
    """SHA-256 of the sources that decide what training makes, in hex."""
    folders = (Path(networks.__file__).parent, Path(__file__).parent)
    beside = Path(candidate.__file__).parent
    files = sorted(file for folder in folders for file in folder.glob("*.py"))
    files += [beside / name for name in ("dataset.py", "splits.py")]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def checkpoint_key(data_digest: str, parameters: Mapping[str, Parameter], code: str, device: str) -> str:
    """SHA-256 over everything that decides the outcome of a training, in hex.

    Args:
        data_digest: Of the feature table.
        parameters: Every training parameter, the split's and the horizon among them.
        code: Digest of the code.
        device: `cpu` or `cuda`: their sums differ in the last bits, so that neither may go on with the other's state.
    """
    content = {"data": data_digest, "parameters": dict(parameters), "code": code, "device": device}
    content["torch"] = str(torch.__version__)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoints:
    """The one object that holds a training's latest state; it is replaced whole, so a reader never sees half of it."""

    store: ObjectStore
    key: str

    @property
    def name(self) -> str:
        """Name of the object."""
        return f"{PREFIX}/{self.key}.pt"

    def save(self, state: State) -> None:
        """Replace the stored state."""
        stream = io.BytesIO()
        torch.save(state, stream)
        self.store.put(self.name, stream.getvalue())

    def load(self) -> State | None:
        """The stored state, on the CPU; None where there is none or it cannot be read."""
        try:
            data = self.store.get(self.name)
        except ObjectNotFoundError:
            return None
        try:
            state: State = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (RuntimeError, UnpicklingError, EOFError, ValueError):
            return None
        return state

    def clear(self) -> None:
        """Forget the state."""
        self.store.delete(self.name)
