"""A training that is killed goes on from its last epoch and ends as it would have."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.crypto.dataset import load_dataset
from components.crypto.export import Graph
from components.crypto.training import TrainingProgress, TrainingSettings, fit_candidate
from components.crypto.training.checkpoints import PREFIX, Checkpoints, checkpoint_key, code_digest
from runtime.object_store.local import LocalObjectStore
from runtime.settings import REPOSITORY_ROOT

HORIZON_BARS = 6

KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from components.crypto.training import fit_candidate
from runtime.object_store.local import LocalObjectStore

features, output, objects, settings, epochs = sys.argv[1:]
seen = []

def progress(line):
    seen.append(line)
    print(line.report.member, line.report.epoch, flush=True)
    if len(seen) == int(epochs):
        os.kill(os.getpid(), signal.SIGKILL)

fit_candidate(
    Path(features), Path(output), network="lstm", horizon_bars=6, store=LocalObjectStore(Path(objects)),
    settings=pickle.loads(bytes.fromhex(settings)), progress=progress,
)
"""


@pytest.fixture
def two_members(tiny_lstm: TrainingSettings) -> TrainingSettings:
    return replace(tiny_lstm, members=2, max_epochs=3)


def test_a_training_killed_in_its_second_member_ends_as_the_unbroken_one(
    features: Path, two_members: TrainingSettings, tmp_path: Path
) -> None:
    import pickle

    objects = tmp_path / "objects"
    arguments = [features, tmp_path / "killed", objects, pickle.dumps(two_members).hex(), 4]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        cwd=REPOSITORY_ROOT,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout.split("\n")[:4] == ["0 0", "0 1", "0 2", "1 0"]
    assert not (tmp_path / "killed" / "candidate.json").exists()

    resumed, unbroken = [], []
    _fit(features, tmp_path / "killed", objects, two_members, resumed)
    _fit(features, tmp_path / "unbroken", tmp_path / "others", two_members, unbroken)

    assert [(p.report.member, p.report.epoch) for p in resumed] == [(1, 1), (1, 2)]
    assert len(unbroken) == 6
    assert _curve(tmp_path / "killed") == _curve(tmp_path / "unbroken")
    dataset = load_dataset(features, HORIZON_BARS)
    windows = dataset.windows(dataset.rows(dataset.split().gate, 24)[:100], 24)
    first, second = (Graph((tmp_path / n / "model.onnx").read_bytes())(windows) for n in ("killed", "unbroken"))
    assert first.tobytes() == second.tobytes()


def test_another_seed_is_another_training(tiny_lstm: TrainingSettings) -> None:
    def key(settings: TrainingSettings, data: str = "d", code: str = "c", device: str = "cpu") -> str:
        return checkpoint_key(data, settings.parameters(), code, device)

    same = key(tiny_lstm)
    assert key(replace(tiny_lstm)) == same
    others = [key(replace(tiny_lstm, seed=1)), key(tiny_lstm, data="e"), key(tiny_lstm, code="x")]
    others.append(key(tiny_lstm, device="cuda"))
    assert len({same, *others}) == 5


def test_a_checkpoint_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path)
    checkpoints = Checkpoints(store, "k")
    assert checkpoints.load() is None
    checkpoints.save({"finished": [], "current": None})
    assert checkpoints.load() == {"finished": [], "current": None}
    whole = store.get(f"{PREFIX}/k.pt")
    for data in (b"", b"no checkpoint", whole[: len(whole) // 2]):
        store.put(f"{PREFIX}/k.pt", data)
        assert checkpoints.load() is None


def test_the_code_has_one_digest() -> None:
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64


def _fit(features: Path, output: Path, objects: Path, settings: TrainingSettings, seen: list[TrainingProgress]) -> None:
    fit_candidate(
        features,
        output,
        network="lstm",
        horizon_bars=HORIZON_BARS,
        settings=settings,
        store=LocalObjectStore(objects),
        progress=seen.append,
    )


def _curve(folder: Path) -> list[list[str]]:
    lines = (folder / "learning_curve.csv").read_text().splitlines()
    return [line.split(",")[:-1] for line in lines]
