"""Which version is taken up, from where, and what happens when it cannot be."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from predictor_kit import MODEL, FolderRegistry, make_bundle
from prometheus_client import CollectorRegistry

from runtime.bundle import Bundle
from serving.errors import UnavailableError
from serving.metrics import PredictorMetrics
from serving.reload import Watcher
from serving.served import Served
from serving.session import ModelRejectedError
from serving.settings import PredictorSettings
from serving.target import ModelTarget
from serving.tensors import Call, Health, Tensor, TensorSpec


class Loaded:
    """A predictor that only knows its version."""

    inputs: Sequence[TensorSpec] = ()
    outputs: Sequence[TensorSpec] = ()
    properties: Mapping[str, object] = {}
    waiting_rows = 0

    def __init__(self, bundle: Bundle, version: str) -> None:
        self.version = version
        self.parameters = {"network": bundle.manifest.network, "bundle_digest": bundle.digest}

    async def predict(self, call: Call) -> Sequence[Tensor]:
        raise NotImplementedError

    async def health(self) -> Health:
        return Health(True)


class Shelf:
    """A family that loads whatever it is not told to refuse."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.refuse: set[str] = set()

    def load(self, bundle: Bundle, version: str) -> Loaded:
        self.loads.append(version)
        if version in self.refuse:
            raise ModelRejectedError("the smoke test failed")
        return Loaded(bundle, version)


class Room:
    """A watcher and all that it touches."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.settings = PredictorSettings(local_copy_dir=folder / "copies", poll_seconds=0.01, **settings)  # type: ignore[arg-type]
        self.registry = FolderRegistry(folder / "registry")
        self.metrics = CollectorRegistry()
        self.restart()

    def restart(self) -> None:
        """What a new process has: nothing but the folders."""
        self.family = Shelf()
        self.served = Served(MODEL, 1)
        target = ModelTarget(
            name=MODEL,
            registered_name=MODEL,
            family=self.family,
            metrics=PredictorMetrics(MODEL, CollectorRegistry()),
            copy_dir=self.settings.copy_dir,
            trained_by="python -m pipelines run tiny",
            version=self.settings.model_version,
        )
        self.watcher = Watcher(self.settings, target, lambda: self.registry, self.served, ThreadPoolExecutor(1))

    def release(self, name: str, *, champion: bool = True, tags: Mapping[str, str] | None = None) -> str:
        return self.registry.add(make_bundle(self.folder / name, network=name), champion=champion, tags=tags)

    def down(self, is_down: bool = True) -> None:
        mark = self.folder / "registry/down"
        mark.touch() if is_down else mark.unlink()

    @property
    def version(self) -> str | None:
        return self.served.predictor.version if self.served.predictor else None


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_the_champion_is_taken_up_once_and_again_only_when_it_moves(room: Room) -> None:
    room.release("first")
    await room.watcher.look()
    await room.watcher.look()
    assert room.version == "1"
    room.release("second")
    await room.watcher.look()
    assert room.version == "2"
    room.registry.set_alias(MODEL, "champion", "1")
    await room.watcher.look()
    assert room.version == "1"
    assert room.family.loads == ["1", "2", "1"]


async def test_without_a_champion_callers_are_told_why_and_when_to_come_back(room: Room) -> None:
    await room.watcher.look()
    with pytest.raises(UnavailableError, match="no champion") as told:
        room.served.require()
    assert told.value.retry_after_seconds


async def test_a_pinned_version_stays_whatever_the_alias_does(tmp_path: Path) -> None:
    room = Room(tmp_path, model_version="1")
    await room.watcher.look()
    assert "no version 1" in room.served.reason
    room.release("first")
    room.release("second")
    await room.watcher.look()
    assert room.version == "1"
    room.down()
    await room.watcher.look()
    assert room.served.registry_error == "", "a version that is served need not be asked for again"


async def test_a_restart_serves_the_local_copy_while_the_registry_is_down(room: Room) -> None:
    room.release("first")
    await room.watcher.look()
    room.down()
    room.restart()
    await room.watcher.start_from_copy()
    await room.watcher.look()
    assert room.version == "1"
    assert room.served.ready
    assert room.served.registry_error
    room.down(False)
    await room.watcher.look()
    assert room.family.loads == ["1"], "the copy is the champion: nothing is loaded again"
    assert not room.served.registry_error


async def test_a_pin_keeps_the_local_copy_of_another_version_out(room: Room, tmp_path: Path) -> None:
    room.release("first")
    await room.watcher.look()
    pinned = Room(tmp_path, model_version="2")
    await pinned.watcher.start_from_copy()
    assert pinned.version is None


async def test_a_damaged_local_copy_is_not_served_and_is_fetched_again(room: Room) -> None:
    room.release("first")
    await room.watcher.look()
    (model,) = room.settings.copy_dir.glob("*/model.onnx")
    model.write_bytes(b"half")
    room.restart()
    await room.watcher.start_from_copy()
    assert room.version is None
    await room.watcher.look()
    assert room.version == "1"


async def test_a_rebuilt_registry_that_counts_from_one_again_is_not_taken_for_the_old(
    room: Room, tmp_path: Path
) -> None:
    room.release("first")
    await room.watcher.look()
    old = room.served.require().parameters["bundle_digest"]
    room.registry = FolderRegistry(tmp_path / "rebuilt")
    room.release("other")
    room.restart()
    await room.watcher.start_from_copy()
    await room.watcher.look()
    assert room.version == "1"
    assert room.served.require().parameters["bundle_digest"] != old
    assert room.served.require().parameters["network"] == "other"


async def test_a_refused_version_leaves_the_old_one_and_is_tried_again_with_growing_pauses(room: Room) -> None:
    room.release("first")
    await room.watcher.look()
    room.release("second")
    room.family.refuse = {"2"}
    for _ in range(40):
        await room.watcher.look()
        await asyncio.sleep(0.005)
    assert room.version == "1"
    assert room.served.ready
    assert "version 2 is not served: the smoke test failed" in room.served.reload_error
    assert 3 <= room.family.loads.count("2") <= 8
    room.family.refuse = set()
    async with asyncio.timeout(5):
        while room.version != "2":
            await room.watcher.look()
            await asyncio.sleep(0.005)
    assert not room.served.reload_error


async def test_an_alias_that_moves_back_from_a_refused_version_clears_the_error(room: Room) -> None:
    room.release("first")
    await room.watcher.look()
    room.release("second")
    room.family.refuse = {"2"}
    await room.watcher.look()
    assert room.served.reload_error
    room.registry.set_alias(MODEL, "champion", "1")
    await room.watcher.look()
    assert not room.served.reload_error


async def test_bytes_other_than_those_registered_are_refused(room: Room) -> None:
    room.release("first", tags={"bundle_digest": "f" * 64})
    await room.watcher.look()
    assert room.version is None
    assert "f" * 64 in room.served.reload_error
    assert "not served" in room.served.reason


async def test_readiness_names_no_path_of_this_machine(room: Room) -> None:
    bundle = make_bundle(room.folder / "damaged")
    (bundle.path / "model.onnx").write_bytes(b"other bytes")
    room.registry.add(bundle)
    await room.watcher.look()
    assert "model.onnx" in room.served.reason
    assert str(room.folder) not in str(room.served.report())


async def test_only_the_served_version_and_the_one_before_are_kept(room: Room) -> None:
    for name in ("first", "second", "third", "fourth"):
        room.release(name)
        await room.watcher.look()
    kept = sorted(folder.name.partition("-")[0] for folder in room.settings.copy_dir.iterdir() if folder.is_dir())
    assert kept == ["3", "4"]


async def test_a_full_disk_does_not_stop_serving(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_copy: object) -> None:
        raise OSError(28, "No space left on device")

    room.release("first")
    monkeypatch.setattr(room.watcher._copies, "remember", full)
    await room.watcher.look()
    assert room.version == "1"
