import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.object_store import ObjectExistsError, ObjectNotFoundError, ObjectStore, open_object_store, remote
from runtime.object_store.names import InvalidObjectNameError


@pytest.fixture(params=["local", "s3", "s3 with a prefix", "gs with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_object_store((tmp_path / "with space" / "objects").as_uri())
    bucket: str = request.getfixturevalue("bucket")
    scheme, _, prefix = request.param.partition(" with a ")
    return open_object_store(f"{scheme}://{bucket}/deep/{prefix}" if prefix else f"{scheme}://{bucket}")


def test_what_was_put_is_got(store: ObjectStore) -> None:
    for name, data in (("a.bin", b"\x00\xff"), ("deep/er/b c+d=ü.json", b"{}"), ("empty", b"")):
        assert not store.exists(name)
        store.put(name, data)
        assert store.exists(name)
        assert store.get(name) == data


def test_a_large_object_comes_back_whole(store: ObjectStore) -> None:
    data = bytes(range(256)) * 50_000
    store.put("large", data)
    assert store.get("large") == data


def test_put_replaces_unless_told_not_to(store: ObjectStore) -> None:
    store.put("a", b"1")
    store.put("a", b"2")
    with pytest.raises(ObjectExistsError, match="'a'"):
        store.put("a", b"3", overwrite=False)
    assert store.get("a") == b"2"
    store.put("fresh", b"1", overwrite=False)
    assert store.get("fresh") == b"1"


def test_of_many_writers_that_may_not_overwrite_exactly_one_wins(store: ObjectStore) -> None:
    together, won = threading.Barrier(6), []

    def race(number: int) -> None:
        together.wait()
        try:
            store.put("shard/0", b"%d" % number, overwrite=False)
        except ObjectExistsError:
            return
        won.append(b"%d" % number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.get("shard/0")]


def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    store.put("folder/object", b"")
    for name in ("nothing", "folder", "folder/object/under"):
        assert not store.exists(name)
        with pytest.raises(ObjectNotFoundError) as caught:
            store.get(name)
        assert caught.value.name == name


def test_names_are_listed_by_any_prefix_in_order(store: ObjectStore) -> None:
    names = ["a/1", "a/10", "a/2", "a-b/1", "ab/1", "b"]
    for name in names:
        store.put(name, b"")
    assert list(store.list()) == sorted(names)
    assert list(store.list("a")) == ["a-b/1", "a/1", "a/10", "a/2", "ab/1"]
    assert list(store.list("a/")) == ["a/1", "a/10", "a/2"]
    assert list(store.list("a/1")) == ["a/1", "a/10"]
    assert list(store.list("nothing/here")) == []


def test_more_names_than_a_page_are_listed(store: ObjectStore) -> None:
    names = [f"many/{number:04d}" for number in range(120)]
    for name in names:
        store.put(name, b"")
    assert list(store.list("many/")) == names


def test_delete_removes_and_may_be_repeated(store: ObjectStore) -> None:
    store.put("a/b", b"")
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")
    assert list(store.list()) == []


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", ".", "a\\b", "a\nb", "a\x00b", "x" * 201, "y/" * 500 + "y"]
    + [".tmp-0", "a/.tmp-b", "100%", "what?", "a#b"],
)
def test_names_that_could_escape_or_differ_between_stores_are_refused(store: ObjectStore, name: str) -> None:
    for call in (store.get, store.exists, store.delete):
        with pytest.raises(InvalidObjectNameError):
            call(name)
    with pytest.raises(InvalidObjectNameError):
        store.put(name, b"")
    assert list(store.list()) == []


def test_a_store_that_is_not_there_is_said_to_be_unavailable(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_MAX_RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with pytest.raises(remote.ObjectStoreUnavailableError, match="could not read 'a' in s3://bucket"):
        open_object_store("s3://bucket").get("a")


def test_a_bucket_that_is_not_there_is_not_taken_for_a_missing_object(bucket: str) -> None:
    store = open_object_store(f"s3://{bucket}absent")
    with pytest.raises(remote.ObjectStoreUnavailableError, match="could not write 'a'"):
        store.put("a", b"")
