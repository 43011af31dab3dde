"""A worker with a stored journal, stopped and started again: nothing is paid for twice, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollouts.episode import Spend
from rollouts.protocols import NoJournal
from rollouts.receipt import Paused, Settled
from storage.journal_files import segment_keys
from storage.journal_sweep import sweep_journal
from storage.objects import open_store
from tests.storage.paid_sessions import ITEM, RUN_ID, journal_of, session


@pytest.mark.parametrize("patience", [1, 5, 12])
async def test_a_tree_goes_on_in_another_process_where_it_stopped(tmp_path: Path, patience: int) -> None:
    store = open_store(str(tmp_path))
    _, all_calls, [whole] = await session(NoJournal())
    event, first_calls, published = await session(journal_of(store, "a"), patience=patience)
    assert (event, published) == (Paused(item_id=ITEM.item_id), [])
    summary = sweep_journal(store, RUN_ID, unsettled=[ITEM.item_id])
    assert summary.items[ITEM.item_id].num_answers == first_calls
    assert summary.spend == Spend(
        actor_calls=first_calls,
        prompt_tokens=10 * first_calls,
        completion_tokens=2 * first_calls,
        cost_usd=0.25 * first_calls,
    )
    event, second_calls, [tree] = await session(journal_of(store, "b"), again=True)
    assert isinstance(event, Settled)
    assert first_calls + second_calls == all_calls
    assert tree == whole
    sweep_journal(store, RUN_ID, unsettled=[])
    assert segment_keys(store, RUN_ID) == []


async def test_a_run_that_is_never_disturbed_leaves_no_segment(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    event, _, _ = await session(journal_of(store, "a"))
    assert isinstance(event, Settled)
    assert segment_keys(store, RUN_ID) == []
