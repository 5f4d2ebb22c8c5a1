import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.object_store import open_object_store
from runtime.object_store.local import LocalObjectStore
from runtime.object_store.names import InvalidObjectNameError

_WRITER = """
import itertools, sys
from pathlib import Path
from runtime.object_store.local import LocalObjectStore
store = LocalObjectStore(Path(sys.argv[1]))
print("writing", flush=True)
for number in itertools.count():
    store.put("same", bytes([number % 256]) * 300_000)
    store.put(f"fresh/{number}", bytes([number % 256]) * 100_000, overwrite=False)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_objects_only(tmp_path: Path) -> None:
    chance = random.Random(7)
    store = LocalObjectStore(tmp_path / "objects")
    seen = 0
    for number in range(6):
        root = tmp_path / "objects" if number == 0 else tmp_path / f"objects{number}"
        store = LocalObjectStore(root)
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(root)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        deadline = time.monotonic() + chance.uniform(0.02, 0.3)
        while time.monotonic() < deadline:
            if store.exists("same"):
                _is_whole(store.get("same"), 300_000)
                seen += 1
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for name in store.list():
            _is_whole(store.get(name), 300_000 if name == "same" else 100_000)
            seen += 1
        store.put("after", b"still works")
    assert seen > 20


def _is_whole(data: bytes, size: int) -> None:
    assert len(data) == size
    assert len(set(data)) == 1


def test_the_bytes_and_the_folder_entry_are_flushed_in_the_order_that_survives_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        calls.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name[:5]}")
        sync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    LocalObjectStore(tmp_path).put("inner/a", b"x")
    assert calls == [f"fsync {tmp_path.name[:5]}", "fsync .tmp-", "rename", "fsync inner"]


def test_an_object_cannot_also_be_a_folder(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path)
    store.put("a", b"1")
    store.put("b/c", b"1")
    with pytest.raises(InvalidObjectNameError, match="itself an object"):
        store.put("a/b", b"2")
    for overwrite in (True, False):
        with pytest.raises((InvalidObjectNameError, FileExistsError)):
            store.put("b", b"2", overwrite=overwrite)
    assert list(store.list()) == ["a", "b/c"]
    assert [path.name for path in tmp_path.rglob(".tmp-*")] == []


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "relative/folder", "file://otherhost/x"])
def test_an_address_of_no_supported_kind_is_refused_naming_those_that_are(url: str) -> None:
    with pytest.raises(ValueError, match="use file:///folder, s3://bucket/prefix or gs://bucket/prefix"):
        open_object_store(url)
