"""Batches of verdicts: published whole or not at all, checked to the byte, left alone by those who tidy up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from rollouts.episode import Approve, Failure, Revise, Usage
from rollouts.errors import DataError, FailureKind
from rollouts.protocols import Judgement
from storage.collect import collect_garbage
from storage.commit import COMMIT_DEADLINE_S
from storage.compaction import compact
from storage.content_hash import row_hash
from storage.draft_batches import DraftSlice, draft_batches
from storage.item_rows import ItemRows
from storage.markers import read_markers
from storage.objects import ObjectStore, open_store
from storage.parts import encode_rows, read_rows
from storage.reader import live_parts, scan
from storage.rows import Row
from storage.runs import read_run
from storage.scorings import Batch, batch_key, create_batch, read_batches
from storage.verdicts import publish_batch, read_judged_labels, read_verdicts, verdict_row
from storage.verify import verify_run
from tests.s3_server import S3Place
from tests.storage.faulty_stores import SlowClock, WatchedStore
from tests.storage.published_runs import publish

CRITIC, OTHER = "chat:one/prompt=1", "chat:other/prompt=1"
LATER = 10.0**12
# seconds since 1970, when everything is old


@pytest.fixture
def store(published_root: str) -> ObjectStore:
    return open_store(published_root)


def _slices(store: ObjectStore, size: int) -> list[list[DraftSlice]]:
    markers = {marker.item_id: marker for marker in read_markers(store, "run-1")}
    rows = ItemRows(store, "run-1")
    return list(draft_batches(rows, markers, record=read_run(store, "run-1"), scored={}, batch_drafts=size))


def _rows(batch: list[DraftSlice], scorer: str) -> list[Row]:
    said: list[Judgement | Failure] = [
        Judgement(verdict=Approve(), usage=Usage(), score=0.75),
        Judgement(verdict=Revise(feedback="Ask \ud83d first"), usage=Usage(), score=0.25),
        Judgement(verdict=None, usage=Usage()),
        Failure(kind=FailureKind.CONTEXT_LENGTH, message="too long"),
    ]
    usage = Usage(calls=1, prompt_tokens=100, cached_tokens=60, completion_tokens=1, cost_usd=0.5)
    drafts = [draft for part in batch for draft in part]
    return [verdict_row(draft, said[n % len(said)], usage, scorer=scorer) for n, draft in enumerate(drafts)]


def _score(store: ObjectStore, scorer: str = CRITIC, *, size: int = 8) -> None:
    for number, batch in enumerate(_slices(store, size)):
        covered = [part.covered for part in batch]
        rows = _rows(batch, scorer)
        assert publish_batch(store, rows, run_id="run-1", scorer=scorer, number=number, covered=covered)


def _problems(store: ObjectStore) -> tuple[str, ...]:
    return verify_run(store, "run-1").problems


def test_what_was_said_is_read_back_and_added_up(store: ObjectStore, published_root: str) -> None:
    _score(store)
    told = read_verdicts(published_root, "run-1", scorer=CRITIC)
    assert told.drafts == verify_run(store, "run-1").num_verdicts == 45
    assert told.approve + told.revise + told.unreadable + sum(told.failed.values()) == 45
    assert (told.calls, told.prompt_tokens, told.cached_tokens, told.cost_usd) == (45, 4500, 2700, 22.5)
    rows = scan(published_root, "verdicts").collect()
    assert set(rows["feedback"].drop_nulls()) == {"Ask \ufffd first"}
    assert set(rows["failure_message"].drop_nulls()) == {"too long"}
    assert read_verdicts(published_root, "run-1", scorer=OTHER).drafts == 0


def test_labels_stand_beside_the_verdict_on_the_same_draft(store: ObjectStore, published_root: str) -> None:
    _score(store)
    _score(store, OTHER, size=100)
    judged = read_judged_labels(published_root, "run-1", scorer=CRITIC)
    labels = scan(published_root, "labels").collect()
    scored = (
        scan(published_root, "verdicts").collect().filter(scorer=CRITIC).select("item_id", "state_key", "action_key")
    )
    assert judged.keys() == set(labels["labeler"])
    expected = labels.join(scored, on=["item_id", "state_key", "action_key"]).height
    assert sum(map(len, judged.values())) == expected > 0
    assert read_judged_labels(published_root, "run-1", scorer=CRITIC) == judged


def test_the_same_rows_have_the_same_bytes(store: ObjectStore) -> None:
    _score(store)
    before = {info.key for info in store.list("")}
    [batch, *_] = _slices(store, 8)
    covered = [part.covered for part in batch]
    again = publish_batch(store, _rows(batch, CRITIC), run_id="run-1", scorer=CRITIC, number=0, covered=covered)
    assert again is False
    assert {info.key for info in store.list("")} == before


def test_a_scoring_that_was_held_up_puts_its_parts_again_after_the_batch(store: ObjectStore) -> None:
    [batch] = _slices(store, 1000)

    def collect(number: int) -> None:
        # the collector took the parts for nobody's, right before the marker
        if "/scores/" in watched.puts[number]:
            for info in list(store.list("tables/verdicts/")):
                store.delete(info.key)

    watched = WatchedStore(store, before=collect)
    covered, clock = [part.covered for part in batch], SlowClock(COMMIT_DEADLINE_S + 1)
    rows = _rows(batch, CRITIC)
    assert publish_batch(watched, rows, run_id="run-1", scorer=CRITIC, number=0, covered=covered, clock=clock)
    assert _problems(store) == ()
    assert verify_run(store, "run-1").num_verdicts == len(rows)


def test_chance_does_not_change_the_hash(store: ObjectStore) -> None:
    [batch] = _slices(store, 1000)
    rows = _rows(batch, CRITIC)
    chance = [row | {"cached_tokens": 0, "cost_usd": None, "calls": 2} for row in rows]
    assert row_hash("verdicts", chance) == row_hash("verdicts", rows)
    assert row_hash("verdicts", [rows[0] | {"verdict": "revise"}, *rows[1:]]) != row_hash("verdicts", rows)


def test_two_critics_lie_side_by_side_and_nothing_is_wrong(store: ObjectStore) -> None:
    _score(store)
    _score(store, OTHER, size=100)
    assert _problems(store) == ()
    assert verify_run(store, "run-1").num_verdicts == 90
    assert [batch.scorer for batch in read_batches(store, "run-1", scorer=OTHER)] == [OTHER]


def test_a_part_without_a_marker_is_read_by_nobody(store: ObjectStore, published_root: str) -> None:
    _score(store)
    last = max(batch.number for batch in read_batches(store, "run-1"))
    store.delete(batch_key("run-1", CRITIC, last))
    assert scan(published_root, "verdicts").collect().height == 8 * last
    assert _problems(store) == ()


def test_compaction_and_the_collector_leave_them_as_they_are(store: ObjectStore, published_root: str) -> None:
    _score(store)
    before = scan(published_root, "verdicts").collect()
    assert compact(store, "run-1").created
    collect_garbage(store, now=LATER)  # type: ignore[arg-type]
    assert scan(published_root, "verdicts").collect().equals(before)
    assert _problems(store) == ()


def test_the_part_of_a_batch_that_was_never_published_is_collected(store: ObjectStore, published_root: str) -> None:
    _score(store)
    kept = {part.key for batch in read_batches(store, "run-1") for part in batch.parts}
    orphan = next(iter(kept)).replace("batch-", "batch-0")
    store.put(orphan, b"of a scoring that died")
    garbage = collect_garbage(open_store(published_root), now=LATER)
    assert [part.key for part in garbage.parts] == [orphan]
    assert {info.key for info in store.list("tables/verdicts/")} == kept


def test_in_a_bucket_they_are_as_in_a_directory(store: ObjectStore, published_root: str, s3_place: S3Place) -> None:
    there = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    publish(there, items=range(5), planned=5)
    for each in (store, there):
        _score(each)
    told = read_verdicts(s3_place.root, "run-1", scorer=CRITIC, endpoint_url=s3_place.endpoint_url)
    assert told == read_verdicts(published_root, "run-1", scorer=CRITIC)
    judged = read_judged_labels(s3_place.root, "run-1", scorer=CRITIC, endpoint_url=s3_place.endpoint_url)
    assert judged == read_judged_labels(published_root, "run-1", scorer=CRITIC)
    assert _problems(there) == ()
    mine, theirs = ([batch.row_hash for batch in read_batches(each, "run-1")] for each in (store, there))
    assert mine == theirs


# -- what verify finds ------------------------------------------------------------------------------------------------


def test_a_flipped_bit_and_a_missing_part_are_named(store: ObjectStore) -> None:
    _score(store)
    flipped, missing = live_parts(store, "run-1", "verdicts")[:2]
    data = bytearray(store.get(flipped.key))
    data[len(data) // 2] ^= 1
    store.put(flipped.key, bytes(data))
    store.delete(missing.key)
    problems = "\n".join(_problems(store))
    assert f"part {flipped.key} is corrupted" in problems
    assert f"part {missing.key} is missing" in problems


def test_a_batch_that_is_gone_is_named(store: ObjectStore) -> None:
    _score(store)
    store.delete(batch_key("run-1", CRITIC, 1))
    assert any("should be number 1 of its scoring" in problem for problem in _problems(store))
    with pytest.raises(DataError, match="should be number 1"):
        list(read_batches(store, "run-1"))


def test_a_marker_that_cannot_be_read_is_named(store: ObjectStore) -> None:
    _score(store)
    key = batch_key("run-1", CRITIC, 0)
    store.put(key, b"{}")
    assert any(f"batch {key} is corrupted" in problem for problem in _problems(store))
    store.put(key, b'{"schema_version": 2}')
    assert any(f"batch {key} has schema version 2" in problem for problem in _problems(store))


def _other_rows(change: Callable[[Row], Row]) -> Callable[[ObjectStore, Batch], Batch]:
    """The batch, with its first row changed and its part written again."""

    def changed(store: ObjectStore, batch: Batch) -> Batch:
        [part] = batch.parts
        first, *rest = read_rows(store, part)
        data = encode_rows("verdicts", [change(first), *rest])
        store.put(part.key, data)
        again = replace(part, sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data))
        return replace(batch, parts=(again,))

    return changed


def _one_more(store: ObjectStore, batch: Batch) -> Batch:
    first, *rest = batch.covered
    return replace(batch, covered=(replace(first, upto=first.upto - 1), *rest))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_other_rows(lambda row: row | {"verdict": "revise"}), "promises row hash"),
        (_other_rows(lambda row: row | {"run_id": "run-2"}), "stamped run run-2"),
        (_one_more, "covers 7 drafts, its parts hold 8 verdicts"),
    ],
)
def test_a_batch_that_is_not_what_it_says_is_named(
    store: ObjectStore, damage: Callable[[ObjectStore, Batch], Batch], said: str
) -> None:
    _score(store)
    [batch, *_] = read_batches(store, "run-1")
    store.delete(batch_key("run-1", CRITIC, 0))
    create_batch(store, damage(store, batch))
    assert any(said in problem for problem in _problems(store))


def test_a_verdict_on_a_step_that_is_not_there_and_a_second_verdict_are_named(store: ObjectStore) -> None:
    [batch] = _slices(store, 1000)
    rows = _rows(batch, CRITIC)
    wrong = [rows[0] | {"step": 99}, rows[1], *rows[1:-1]]
    covered = [part.covered for part in batch]
    publish_batch(store, wrong, run_id="run-1", scorer=CRITIC, number=0, covered=covered)
    problems = "\n".join(_problems(store))
    assert f"the verdict of {CRITIC} on t0.s99 of item" in problems
    assert "2 verdicts" in problems and "are on drafts that have another one of it" in problems
