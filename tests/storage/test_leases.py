"""A run has one driver; the other one is told who it is. No clock of one machine is compared with another's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.errors import DataError, UsageError
from storage.holders import is_dead, this_process
from storage.layout import beat_key, claim_key
from storage.leases import LeaseTimes, Watch, hold_lease
from storage.objects import ObjectStore, open_store
from storage.s3_objects import Patience, S3ObjectStore
from tests.needs import REPOSITORY
from tests.s3_server import S3Place
from tests.storage.faulty_stores import WatchedStore

RUN = "run-1"
PATIENT = LeaseTimes(beat_s=0.05, watch_s=60.0, look_s=0.02)
# a holder that lives is seen to live long before
HASTY = LeaseTimes(beat_s=0.05, watch_s=0.2, look_s=0.02)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


@contextmanager
def holder_process(store: ObjectStore) -> Iterator[subprocess.Popen[str]]:
    root = store.uri("x").removesuffix("/x")
    command = [sys.executable, "-m", "tests.storage.lease_holder", root, RUN]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert line(process.stdout) == "held"
            yield process
        finally:
            process.kill()


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def test_a_lease_that_was_given_back_is_free_at_once(store: ObjectStore) -> None:
    for epoch in (1, 2, 3):
        with hold_lease(store, RUN, times=PATIENT) as lease:
            assert lease.epoch == epoch
            lease.check()


def test_it_is_given_back_after_an_error_too(store: ObjectStore) -> None:
    with pytest.raises(ZeroDivisionError), hold_lease(store, RUN, times=PATIENT):
        raise ZeroDivisionError
    with hold_lease(store, RUN, times=PATIENT) as lease:
        assert lease.epoch == 2


def test_a_second_driver_is_told_who_plays_since_when_and_what_to_do(store: ObjectStore) -> None:
    with hold_lease(store, RUN, times=PATIENT) as lease:
        us = this_process()
        wanted = (
            rf"run 'run-1' is being played already: by process {us.pid} on {re.escape(us.host)} since 20\d\d-.*stop it"
        )
        with pytest.raises(UsageError, match=wanted), hold_lease(store, RUN, times=PATIENT):
            pass
        lease.check()
    with hold_lease(store, "run-2", times=PATIENT) as other:
        assert other.epoch == 1


def test_of_racing_drivers_one_wins_and_every_other_is_refused(store: ObjectStore) -> None:
    together, all_refused = threading.Barrier(6), threading.Event()
    refused: list[str] = []

    def drive(_: int) -> None:
        together.wait()
        try:
            with hold_lease(store, RUN, times=PATIENT):
                all_refused.wait(60)
        except UsageError as error:
            refused.append(str(error))
            if len(refused) == 5:
                all_refused.set()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(drive, range(6)))
    assert len(refused) == 5


def test_a_driver_that_was_killed_is_not_waited_for(store: ObjectStore) -> None:
    with holder_process(store) as process:
        process.kill()
        process.wait()
        # only because it is known to be dead: PATIENT would watch for a minute
        with hold_lease(store, RUN, times=PATIENT) as lease:
            assert lease.epoch == 2


def test_a_driver_that_fell_silent_is_replaced_and_stops_when_it_wakes(store: ObjectStore) -> None:
    with holder_process(store) as process:
        process.send_signal(signal.SIGSTOP)
        with hold_lease(store, RUN, times=HASTY):
            process.send_signal(signal.SIGCONT)
            assert line(process.stdout) == "lost"
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert f"run 'run-1' was taken over by process {os.getpid()} on" in line(process.stdout)
            assert process.wait() == 2


def test_a_driver_that_lives_is_never_replaced(store: ObjectStore) -> None:
    with holder_process(store) as process:
        with pytest.raises(UsageError, match=f"process {process.pid} on "), hold_lease(store, RUN, times=PATIENT):
            pass
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait() == 0
    with hold_lease(store, RUN, times=PATIENT) as lease:
        assert lease.epoch == 2


def test_a_claim_without_any_heartbeat_is_a_driver_that_died(store: ObjectStore) -> None:
    store.put(claim_key(RUN, 1), _claim(machine="of another world"))
    with hold_lease(store, RUN, times=HASTY) as lease:
        assert lease.epoch == 2


def test_a_holder_whose_beats_fail_keeps_trying(store: ObjectStore) -> None:
    failures = []

    def fail(number: int) -> None:
        if 2 <= number < 6:
            failures.append(number)
            raise DataError("the store is away")

    watched = WatchedStore(store, before=fail)
    with hold_lease(watched, RUN, times=PATIENT) as lease:
        while len(watched.puts) < 10:
            threading.Event().wait(0.02)
        lease.check()
    assert failures == [2, 3, 4, 5]
    with hold_lease(store, RUN, times=PATIENT):
        pass


def test_a_store_that_is_away_at_the_end_does_not_hide_how_the_block_ended(store: ObjectStore) -> None:
    away = threading.Event()

    def fail(_: int) -> None:
        if away.is_set():
            raise DataError("the store is away")

    with pytest.raises(ZeroDivisionError), hold_lease(WatchedStore(store, before=fail), RUN, times=HASTY):
        away.set()
        raise ZeroDivisionError
    # not given back: our own process lives, so its silence is waited for
    with hold_lease(store, RUN, times=HASTY) as lease:
        assert lease.epoch == 2


@pytest.mark.parametrize("damage", [b"{", b"{}", b"[1]"])
def test_a_damaged_claim_is_named_with_what_to_do(store: ObjectStore, damage: bytes) -> None:
    store.put(claim_key(RUN, 1), damage)
    with (
        pytest.raises(DataError, match=rf"lease {claim_key(RUN, 1)} is corrupted .* then delete it"),
        hold_lease(store, RUN, times=HASTY),
    ):
        pass


@pytest.mark.s3
def test_a_bucket_leases_like_a_directory(s3_place: S3Place) -> None:
    store = S3ObjectStore(s3_place.root, endpoint_url=s3_place.endpoint_url, patience=Patience(attempts=2))
    with (
        hold_lease(store, RUN, times=PATIENT),
        pytest.raises(UsageError, match="is being played already"),
        hold_lease(store, RUN, times=PATIENT),
    ):
        pass
    with hold_lease(store, RUN, times=PATIENT) as lease:
        assert lease.epoch == 2


# -- who is dead ------------------------------------------------------------------------------------------------------


def test_only_a_process_of_this_machine_and_boot_can_be_known_to_be_dead() -> None:
    us = this_process()
    assert not is_dead(us)
    assert is_dead(replace(us, started="1"))
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert is_dead(replace(us, pid=process.pid))
    for machine in ("", "another boot", us.machine + "another container"):
        assert not is_dead(replace(us, started="1", machine=machine))


# -- the watch --------------------------------------------------------------------------------------------------------


@given(start=st.floats(-1e9, 1e9), gaps=st.lists(st.floats(0, 5), min_size=1, max_size=30))
def test_silence_counts_from_the_first_look_whatever_the_clock_says(start: float, gaps: list[float]) -> None:
    watch, at = Watch(watch_s=6), start
    assert watch.see(b"7", at=at) == "unknown"
    for gap in gaps:
        at += gap
        assert watch.see(b"7", at=at) == ("silent" if at - start >= 6 else "unknown")


@given(
    beats=st.lists(st.sampled_from([b"", b"1", b"2", b"released"]), min_size=1, max_size=8),
    gaps=st.lists(st.floats(0, 3), min_size=8, max_size=8),
)
def test_any_change_is_life_and_a_release_is_a_release(beats: list[bytes], gaps: list[float]) -> None:
    watch, at = Watch(watch_s=6), 0.0
    for beat, gap in zip(beats, gaps, strict=False):
        at += gap
        health = watch.see(beat, at=at)
        if beat == b"released":
            assert health == "released"
        elif beat != next(seen for seen in beats if seen != b"released"):
            assert health == "beating"


def test_beats_of_an_epoch_lie_beside_its_claim() -> None:
    assert beat_key(RUN, 3).rpartition("/")[0] == claim_key(RUN, 3).rpartition("/")[0]


def _claim(**changes: str) -> bytes:
    return json.dumps(asdict(replace(this_process(), **changes)) | {"claim": "c"}).encode()  # type: ignore[arg-type]
