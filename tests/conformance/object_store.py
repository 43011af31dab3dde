"""What every `ObjectStore` must do. A backend's test class inherits `ObjectStoreSuite` and provides the fixture `store`."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from storage.objects import MissingObject, ObjectStore, TendedStore

RACERS = 16
ODD_KEYS = ["a/b", "a=b/c%20d", "domain=r%C3%A9tail/x-1.json", "a b/ü+&?#", "x/" + "y" * 200]
BAD_KEYS = ["", "/a", "a/", "a//b", "../a", "a/../b", ".hidden", "a/.b", "a\x00b", "a\\b", "x" * 300]


class ObjectStoreSuite:
    def test_what_was_put_is_what_is_got(self, store: ObjectStore) -> None:
        store.put("a/b.bin", bytes(range(256)))
        assert store.get("a/b.bin") == bytes(range(256))

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        store.put("a/empty", b"")
        assert store.get("a/empty") == b""
        assert [(info.key, info.size) for info in store.list("a/")] == [("a/empty", 0)]

    def test_put_replaces(self, store: ObjectStore) -> None:
        store.put("k", b"a long first value")
        store.put("k", b"second")
        assert store.get("k") == b"second"

    def test_a_missing_object_is_named(self, store: ObjectStore) -> None:
        store.put("a/b", b"")
        for key in ["nothing", "a/b/c", "a"]:
            with pytest.raises(MissingObject, match=key):
                store.get(key)

    def test_put_if_absent_creates_once_and_changes_nothing_afterwards(self, store: ObjectStore) -> None:
        assert store.put_if_absent("once", b"first")
        assert not store.put_if_absent("once", b"second")
        assert not store.put_if_absent("once", b"first")
        assert store.get("once") == b"first"

    def test_of_racing_creators_exactly_one_wins_and_its_bytes_stay(self, store: ObjectStore) -> None:
        barrier = Barrier(RACERS)

        def create(racer: int) -> bool:
            barrier.wait()
            return store.put_if_absent("race", b"racer %d" % racer)

        with ThreadPoolExecutor(RACERS) as pool:
            won = list(pool.map(create, range(RACERS)))
        assert won.count(True) == 1
        assert store.get("race") == b"racer %d" % won.index(True)

    def test_racing_creators_of_equal_bytes_do_not_both_win(self, store: ObjectStore) -> None:
        barrier = Barrier(RACERS)

        def create(_: int) -> bool:
            barrier.wait()
            return store.put_if_absent("race", b"the same")

        with ThreadPoolExecutor(RACERS) as pool:
            assert sum(pool.map(create, range(RACERS))) == 1

    def test_a_prefix_is_a_string_not_a_folder(self, store: ObjectStore) -> None:
        for key in ["runs/1/a", "runs/1/b", "runs/12/c", "tables/x"]:
            store.put(key, b"12345")
        assert _keys(store, "runs/1") == {"runs/1/a", "runs/1/b", "runs/12/c"}
        assert _keys(store, "runs/1/") == {"runs/1/a", "runs/1/b"}
        assert _keys(store, "") == {"runs/1/a", "runs/1/b", "runs/12/c", "tables/x"}
        assert _keys(store, "nothing/at/all") == set()
        assert {info.size for info in store.list("")} == {5}

    def test_deleted_is_gone_and_deleting_again_is_no_error(self, store: ObjectStore) -> None:
        store.put("a/b", b"1")
        store.delete("a/b")
        store.delete("a/b")
        assert _keys(store, "") == set()
        assert store.put_if_absent("a/b", b"2")

    def test_objects_are_as_old_as_their_last_put(self, store: ObjectStore) -> None:
        store.put("first", b"1")
        store.put("second", b"1")
        times = {info.key: info.modified for info in store.list("")}
        assert times["first"] <= times["second"]
        store.put("first", b"2")
        (renewed,) = (info.modified for info in store.list("first"))
        assert renewed >= times["second"]

    def test_a_finished_write_is_not_unfinished(self, store: TendedStore) -> None:
        store.put("tables/a", b"1")
        assert list(store.unfinished("")) == []

    def test_odd_keys_come_back_as_they_went(self, store: ObjectStore) -> None:
        for key in ODD_KEYS:
            assert store.put_if_absent(key, key.encode())
            assert not store.put_if_absent(key, b"other")
            assert store.get(key) == key.encode()
        assert _keys(store, "") == set(ODD_KEYS)

    def test_a_key_that_could_leave_the_root_is_refused(self, store: ObjectStore) -> None:
        for key in BAD_KEYS:
            with pytest.raises(ValueError, match="not an object key"):
                store.put(key, b"")

    def test_a_store_can_be_sent_to_another_process(self, store: ObjectStore) -> None:
        store.put("here", b"1")
        assert pickle.loads(pickle.dumps(store)).get("here") == b"1"  # noqa: S301

    def test_an_address_ends_in_the_key(self, store: ObjectStore) -> None:
        assert store.uri("a/b=c/d").endswith("/a/b=c/d")


def _keys(store: ObjectStore, prefix: str) -> set[str]:
    return {info.key for info in store.list(prefix)}
