"""What a forecast reads of an earlier run: trunks as they went, trees as large as they were, calls as the endpoint counted them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from rollouts.episode import PaidReply
from rollouts.forecasting.recorded import RecordedPlays
from rollouts.tree import Tree
from storage.objects import open_store
from storage.recorded_plays import read_recorded_plays
from storage.runs import create_run
from storage.writer import ParquetSink
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item

ITEM = work_item(0)


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = str(tmp_path_factory.mktemp("recorded"))
    create_run(open_store(root), run_record(2))
    return root


def publish(root: str, tree: Tree) -> None:
    ParquetSink(open_store(root), STAMP, labelling).write(tree)


def recorded(root: str) -> RecordedPlays:
    found = read_recorded_plays(root, "run-1", items=[ITEM.item_id])
    assert found is not None
    return found


def test_scripts_are_the_trunks_that_were_played_to_an_end(root: str) -> None:
    publish(root, sample_tree(ITEM))
    publish(root, sample_tree(work_item(1)))
    plays = recorded(root)
    assert plays.run_id == "run-1"
    assert list(plays.tasks) == ["task-0"]
    [first, second] = plays.tasks["task-0"].scripts
    assert (first.kinds, first.solved) == (("write", "message", "write"), True)
    assert (second.kinds, second.solved) == (("message",), False)


def test_sizes_and_rates_are_those_of_the_rows(root: str) -> None:
    publish(root, sample_tree(ITEM))
    plays = recorded(root)
    assert (plays.sizes.num_trees, plays.sizes.branches, plays.sizes.branch_steps) == (1, 4, 5)
    assert (plays.sizes.forks, plays.sizes.draws) == (2, 4)
    assert plays.rates["act"] == 4 / 4
    # two trunks of two actor calls each, and four steps
    assert plays.rates["draw"] == 4 / 4
    assert plays.rates["review"] == plays.rates["question"] == 0.0
    assert plays.chances.same_draft == {"message": 1 / 3}
    # of the three pairs of three draws, the one of the two equal drafts; by the kind of the action that the trunk took


def test_nothing_is_told_of_items_without_an_ended_trunk(root: str) -> None:
    publish(root, sample_tree(ITEM))
    assert read_recorded_plays(root, "run-1", items=[]) is None
    assert read_recorded_plays(root, "run-1", items=[work_item(1).item_id]) is None


def test_prompts_are_a_line_over_the_steps_and_the_rest_are_means(root: str) -> None:
    replies: Mapping[str, tuple[PaidReply, ...]] = {
        f"t0/{step}/actor/0": (
            PaidReply(
                model="large",
                prompt_tokens=1_000 + 150 * step,
                completion_tokens=40 + 20 * (step % 2),
                cached_tokens=500,
                latency_s=1.0 + step,
            ),
        )
        for step in range(4)
    }
    opening = {"t0/0/opening/0": (PaidReply(model="small", prompt_tokens=300, completion_tokens=7, latency_s=0.5),)}
    publish(root, replace(sample_tree(ITEM), replies={**replies, **opening}))
    roles = recorded(root).roles
    actor, user = roles["actor"], roles["user"]
    assert (actor.model, actor.num_calls) == ("large", 4)
    assert actor.figures.prompt_tokens == pytest.approx(1_000)
    assert actor.figures.tokens_per_step == pytest.approx(150)
    assert (actor.figures.completion_tokens, actor.figures.latency_s) == (50.0, 2.5)
    assert actor.figures.cached_share == pytest.approx(2_000 / 4_900)
    assert (user.figures.prompt_tokens, user.figures.tokens_per_step) == (300.0, 0.0)
    assert user.figures.cached_share is None
