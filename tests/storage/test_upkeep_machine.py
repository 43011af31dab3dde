"""Whatever is done to a run, in whatever order and with whatever deaths, readers see what was published and nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.collect import GRACE_S, collect_garbage, store_time
from storage.compaction import compact
from storage.markers import read_markers
from storage.objects import TendedStore, open_store
from storage.reader import live_parts
from storage.runs import create_run
from storage.sealing import seal
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.storage.faulty_stores import Crash, MortalStore
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item

ITEMS = 4
DEATHS = st.none() | st.tuples(st.integers(0, 12), st.sampled_from(["before", "after"]))


class Upkeep(RuleBasedStateMachine):
    """A run, those who look after it, and what should be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.store = open_store(self.folder)
        self.published: set[str] = set()
        create_run(self.store, run_record(ITEMS))

    @rule(index=st.integers(0, ITEMS - 1), death=DEATHS, duration_s=st.sampled_from([1.0, 2.0]))
    def publish(self, index: int, death: tuple[int, str] | None, duration_s: float) -> None:
        item = work_item(index)
        try:
            ParquetSink(self._mortal(death), STAMP, labelling).write(sample_tree(item, duration_s=duration_s))
            self.published.add(item.item_id)
        except Crash:
            self.published |= {marker.item_id for marker in read_markers(self.store, "run-1")} & {item.item_id}

    @rule(death=DEATHS)
    def seal(self, death: tuple[int, str] | None) -> None:
        self._survive(lambda store: seal(store, "run-1", at_least=1), death)

    @rule(death=DEATHS, target_bytes=st.sampled_from([8_000, 50_000, 2**27]))
    def compact(self, death: tuple[int, str] | None, target_bytes: int) -> None:
        self._survive(lambda store: compact(store, "run-1", target_bytes=target_bytes), death)

    @rule(death=DEATHS)
    def collect(self, death: tuple[int, str] | None) -> None:
        self._survive(lambda store: collect_garbage(store, now=store_time(store)), death)

    @precondition(lambda self: self.published)
    @rule()
    def a_day_passes(self) -> None:
        for path in Path(self.folder).rglob("*"):
            then = path.stat().st_mtime - GRACE_S - 1
            os.utime(path, (then, then))

    @invariant()
    def each_published_item_is_read_once(self) -> None:
        assert {marker.item_id for marker in read_markers(self.store, "run-1")} == self.published
        assert sum(part.num_rows for part in live_parts(self.store, "run-1", "steps")) == 9 * len(self.published)

    def teardown(self) -> None:
        problems = verify_run(self.store, "run-1").problems
        shutil.rmtree(self.folder)
        assert [problem for problem in problems if "resume the run" not in problem] == []

    def _mortal(self, death: tuple[int, str] | None) -> MortalStore:
        number, when = death or (-1, "before")
        return MortalStore(self.store, number, "before" if when == "before" else "after")

    def _survive(self, job: Callable[[TendedStore], object], death: tuple[int, str] | None) -> None:
        with contextlib.suppress(Crash):
            job(self._mortal(death))


TestUpkeep = Upkeep.TestCase
TestUpkeep.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
