"""What is asked about a recorded tree: every draft once, in prefix order, in the words of the exports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.rubric import critic_messages
from rollouts.errors import DataError
from storage.draft_batches import draft_batches, items_left
from storage.drafts import ItemDrafts, read_drafts
from storage.export.source import read_item
from storage.item_rows import ItemRows
from storage.markers import Marker, read_markers
from storage.objects import ObjectStore, open_store
from storage.runs import RunRecord, read_run
from storage.scorings import Covered
from tests.storage.published_runs import publish


@pytest.fixture
def store(published_root: str) -> ObjectStore:
    return open_store(published_root)


def _drafts(store: ObjectStore) -> ItemDrafts:
    marker = next(read_markers(store, "run-1"))
    return read_drafts(ItemRows(store, "run-1"), marker, briefing=read_run(store, "run-1").briefing("retail"))


def test_drafts_come_state_after_state_and_siblings_side_by_side(store: ObjectStore) -> None:
    assert [draft.naming["step_path"] for draft in _drafts(store)] == [
        "t0.s0",
        "t0.s1",
        "t0.s1.a0.r0.s1",
        "t0.s1.a1.r0.s1",
        "t0.s1.a1.r0.s2",
        "t0.s1.a1.r0.s2.a1.r0.s2",
        "t0.s1.a1.r0.s3",
        "t0.s2",
        "t1.s0",
    ]
    # the branches' states of this hand-made tree have keys of their own; in a played one t0.s1.a0.r0.s1 is t0.s1 again


def test_a_question_is_the_one_that_exports_train_on(store: ObjectStore) -> None:
    record, rows = read_run(store, "run-1"), ItemRows(store, "run-1")
    marker = next(read_markers(store, "run-1"))
    [planned] = [item for item in record.items if item.item_id == marker.item_id]
    source = read_item(rows, marker, planned=planned, briefing=record.briefing("retail"))
    drafts = _drafts(store)
    asked = {draft.naming["step_path"]: critic_messages(drafts.question(draft)) for draft in drafts}
    trunk_actions = [value for values in source.forks.values() for value in values if value.action_index == 0]
    assert len(trunk_actions) == 2
    for value in trunk_actions:
        assert asked[value.fork_path] == critic_messages(source.question(value))


def test_a_draft_has_the_same_seed_and_question_whoever_reads_it(store: ObjectStore) -> None:
    first, second = _drafts(store), _drafts(store)
    assert [first.question(draft) for draft in first] == [second.question(draft) for draft in second]
    assert len({first.question(draft).seed for draft in first}) == len(first)


# -- batches ----------------------------------------------------------------------------------------------------------


def _batches(
    store: ObjectStore, record: RunRecord, markers: dict[str, Marker], scored: dict[str, Covered], size: int
) -> Iterator[list[Covered]]:
    rows = ItemRows(store, "run-1")
    for batch in draft_batches(rows, markers, record=record, scored=scored, batch_drafts=size):
        yield [part.covered for part in batch]


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_whatever_was_published_before_the_rest_is_every_other_draft_once(
    published_once: object, sizes: list[int]
) -> None:
    """Each session publishes one batch of its size; the last one publishes all that is left."""
    store = open_store(str(published_once))
    record = read_run(store, "run-1")
    markers = {marker.item_id: marker for marker in read_markers(store, "run-1")}
    scored: dict[str, Covered] = {}
    seen: list[tuple[str, int]] = []

    def publish_batch(batch: list[Covered]) -> None:
        for part in batch:
            before = scored[part.item_id].upto if part.item_id in scored else 0
            assert part.first == before
            seen.extend((part.item_id, place) for place in range(part.first, part.upto))
            scored[part.item_id] = part

    for size in sizes:
        batch = next(_batches(store, record, markers, scored, size), [])
        assert not batch or sum(part.upto - part.first for part in batch) <= size
        publish_batch(batch)
    for batch in _batches(store, record, markers, scored, 7):
        publish_batch(batch)
    assert len(seen) == len(set(seen)) == 9 * len(markers)
    assert seen == sorted(seen, key=lambda one: ([item.item_id for item in record.items].index(one[0]), one[1]))
    assert not items_left(record, markers, scored)


def test_an_item_that_is_not_what_was_scored_is_refused(store: ObjectStore) -> None:
    record = read_run(store, "run-1")
    markers = {marker.item_id: marker for marker in read_markers(store, "run-1")}
    item = record.items[0].item_id
    scored = {item: Covered(item_id=item, first=0, upto=3, num_drafts=10)}
    with pytest.raises(DataError, match="had 10 drafts when it was scored, and has 9"):
        list(_batches(store, record, markers, scored, 5))


def test_of_a_run_under_way_only_what_is_published_is_asked_about(tmp_path: object) -> None:
    store = open_store(str(tmp_path))
    publish(store, items=range(2), planned=4)
    markers = {marker.item_id: marker for marker in read_markers(store, "run-1")}
    [batch] = _batches(store, read_run(store, "run-1"), markers, {}, 1000)
    assert {part.item_id for part in batch} == markers.keys()
    assert all(part.is_all for part in batch)
