"""A network that loses, delays, cuts and refuses every fifth request between a run and its bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollouts.errors import DataError
from storage.objects import MissingObject
from storage.s3_objects import Patience, S3ObjectStore
from tests.chaos.rows import look
from tests.chaos.runs import RUN_ID, Setting, place
from tests.chaos.storm import undisturbed
from tests.end_to_end.process import treeroll
from tests.s3_server import S3Place
from tests.storage.lossy_proxy import TROUBLES, Fate, lossy_proxy, random_fates

pytestmark = pytest.mark.s3

TASKS = 5
HURRIED = Patience(attempts=5, first_pause_s=0.001)


@pytest.mark.parametrize("fate", TROUBLES)
def test_every_trouble_that_passes_leaves_one_object_with_the_bytes_of_whoever_was_told_so(
    s3_place: S3Place, fate: Fate
) -> None:
    with lossy_proxy(s3_place.endpoint_url) as proxy:
        store = S3ObjectStore(s3_place.root, endpoint_url=proxy.url, patience=HURRIED)
        for number, data in enumerate((b"first" * 99, b"second" * 99)):
            proxy.fates = [fate, fate]
            won = store.put_if_absent("once", data)
            assert won is (number == 0)
        proxy.fates = [fate, fate]
        assert store.get("once") == b"first" * 99
        proxy.fates = [fate]
        assert [info.key for info in store.list("on")] == ["once"]
        proxy.fates = [fate]
        store.delete("once")
        with pytest.raises(MissingObject):
            store.get("once")


def test_a_trouble_that_stays_is_told_and_ends(s3_place: S3Place) -> None:
    with lossy_proxy(s3_place.endpoint_url) as proxy:
        store = S3ObjectStore(s3_place.root, endpoint_url=proxy.url, patience=HURRIED)
        store.put("k", b"bytes")
        for fate in ("cut_body", "slow_down", "fail_after"):
            proxy.fates = [fate] * 20
            with pytest.raises(DataError, match="failed 5 times"):
                store.get("k")


@pytest.mark.tau2
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_run_on_a_bad_network_has_every_row_once_and_pays_for_nothing_twice(tmp_path: Path, seed: int) -> None:
    setting, expected = Setting(players="models", pool="local", where="s3"), undisturbed("models", TASKS)
    with place(setting, tmp_path / "run", tasks=TASKS) as found, lossy_proxy(found.endpoint_url) as proxy:
        proxy.fates = random_fates(seed, count=100_000)
        assert found.play(f"storage.endpoint_url={proxy.url}").wait(120) == 0, found.log.name
        assert len(proxy.requests) > 50
        assert look(found.store, RUN_ID).rows == expected.seen.rows
        assert found.progress() == expected.calls
        assert treeroll("verify", "--root", found.root, *found.where).returncode == 0
