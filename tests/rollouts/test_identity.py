"""Paths, seeds, keys and plans."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import Draft, ToolCall, UserMessage
from rollouts.errors import FailureKind, RolloutError
from rollouts.identity import action_key, canonical_json, conversation_key
from rollouts.plan import make_plan
from rollouts.seeds import SEED_BITS, derive_seed
from rollouts.tree import branch_path, path_order, step_path, trunk_path
from tests.toy import PROVENANCE, press, toy_task


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)), min_size=2))
def test_paths_sort_by_their_indices(places: list[tuple[int, int, int, int]]) -> None:
    paths = {place: branch_path(step_path(trunk_path(place[0]), place[1]), place[2], place[3]) for place in places}
    assert sorted(paths.values(), key=path_order) == [paths[place] for place in sorted(paths)]


@pytest.mark.parametrize("wrong", ["", "t", "x1", "t0.s", "0.1.2", "t0/s1"])
def test_what_is_no_path_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        path_order(wrong)


def test_seeds_depend_on_every_part_of_the_place_and_on_nothing_else() -> None:
    places: list[tuple[str | int, ...]] = [("a", "b"), ("ab", ""), ("a", 1), ("a", 11), ("a", "1", 1)]
    seeds = {derive_seed(0, *place) for place in places} | {derive_seed(1, "a", "b")}
    assert len(seeds) == len(places) + 1
    assert all(0 <= seed < 2**SEED_BITS for seed in seeds)
    code = "from rollouts.seeds import derive_seed; print(derive_seed(0, 'a', 'b'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(other) == derive_seed(0, "a", "b")


def test_equal_actions_have_one_key_whatever_their_call_ids_key_order_and_spacing() -> None:
    def call(call_id: str, **arguments: object) -> Draft:
        return Draft(text=call_id, tool_calls=(ToolCall(call_id=call_id, name="press", arguments=arguments),))  # type: ignore[arg-type]

    assert action_key(call("1", a=1, b=2)) == action_key(call("2", b=2, a=1))
    assert action_key(call("1", a=1)) != action_key(call("1", a="1"))
    assert action_key(Draft(text="Hello  there")) == action_key(Draft(text="hello\nthere"))
    assert action_key(Draft(text="press")) != action_key(press("right"))


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
# lone surrogates included: a model's JSON can hold them


@given(st.lists(ANY_TEXT), st.lists(ANY_TEXT))
def test_conversation_keys_tell_conversations_apart(first: list[str], second: list[str]) -> None:
    keys = [conversation_key(b"", [UserMessage(text=text) for text in texts]) for texts in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@given(ANY_TEXT)
def test_every_text_a_model_can_send_has_an_action_key(text: str) -> None:
    assert action_key(Draft(text=text)) == action_key(Draft(text=f" {text}\n"))


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.booleans()))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))  # type: ignore[arg-type]


def test_item_ids_are_functions_of_content() -> None:
    def ids(digest: str = "d", seed: int = 0) -> list[str]:
        tasks = [toy_task("a"), toy_task("b")]
        plan = make_plan(tasks, seed=seed, trunks=2, settings_digest=digest, provenance=PROVENANCE)
        return [item.item_id for item in plan]

    assert ids() == ids()
    assert not set(ids()) & set(ids(seed=1))
    assert not set(ids()) & set(ids(digest="e"))
    assert len(set(ids())) == 2


def test_a_task_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        make_plan([toy_task(), toy_task()], seed=0, trunks=1, settings_digest="", provenance=PROVENANCE)


def test_a_failure_survives_the_way_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(RolloutError("no", kind=FailureKind.REJECTED, fatal=True)))  # noqa: S301
    assert (str(error), error.kind, error.fatal) == ("no", FailureKind.REJECTED, True)
