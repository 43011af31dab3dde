"""Whatever a tool does to the database, a state is what plain dictionaries would be, and nobody else's state is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from actors.environments.tau_bench.overlay import EMPTY, Overlay
from actors.environments.tau_bench.packing import packed, unpacked
from rollouts.episode import ToolCall
from tests.tau_bench.hostile import TABLES, Both, Step, steps

VALUES = st.sampled_from(
    [None, 0, 1, 1.0, True, "pending", "a", [], {}, ["a"], {"price": 2, "id": "x"}, [["a", 1]], {"a": 1}]
)
PLACES = [(table, key) for table in TABLES for key in (*TABLES[table], "n1")]
STEPS = st.lists(
    st.tuples(st.sampled_from(PLACES), VALUES).flatmap(lambda drawn: st.sampled_from(steps(*drawn[0], drawn[1]))),
    min_size=1,
    max_size=3,
)
Branch = tuple[Overlay, dict[str, Any]]


class Branches(RuleBasedStateMachine):
    """A tree of branches, each with its plain counterpart."""

    branches = Bundle("branches")

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()
        self.base = repr(self.both.image.tables)
        self.ends: list[Branch] = []

    @initialize(target=branches)
    def root(self) -> Branch:
        self.ends.append((EMPTY, _base()))
        return self.ends[0]

    @rule(target=branches, branch=branches, done=STEPS, name=st.sampled_from(["meddle", "peek"]))
    def call(self, branch: Branch, done: list[Step], name: str) -> Branch:
        self.ends.append(_both_sides(self.both, branch, name, done))
        return self.ends[-1]

    @rule(branch=branches)
    def store(self, branch: Branch) -> None:
        again = unpacked(json.loads(json.dumps(packed(branch[0]))), self.both.image)
        assert again.key == branch[0].key
        assert repr(self.both.whole(again)) == repr(branch[1])

    @invariant()
    def nobody_is_disturbed(self) -> None:
        for overlay, data in self.ends[-5:]:
            assert repr(self.both.whole(overlay)) == repr(data)
        assert repr(self.both.image.tables) == self.base

    def teardown(self) -> None:
        """Both equalities, over all states that were reached."""
        for overlay, data in self.ends:
            for other, other_data in self.ends:
                assert (overlay.key == other.key) == (repr(data) == repr(other_data))
                same = overlay.differences(self.both.image) == other.differences(self.both.image)
                assert same == (repr(_hashable(data)) == repr(_hashable(other_data)))


def _hashable(value: Any) -> Any:
    """What upstream hashes: a dictionary is the tuple of its sorted items, a list the tuple of its own."""
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in sorted(value.items()))
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


TestBranches = Branches.TestCase
TestBranches.settings = settings(max_examples=40, stateful_step_count=10)


@pytest.mark.slow
class TestManyBranches(Branches.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=1_000, stateful_step_count=15)


@pytest.mark.parametrize("name", ["meddle", "peek"])
@pytest.mark.parametrize("table", TABLES)
def test_one_step_after_another_is_what_it_is_on_plain_dictionaries(table: str, name: str) -> None:
    """Each pair of steps, on the same record and on a new one."""
    both = Both()
    base = repr(both.image.tables)
    first = min(TABLES[table])
    for done in steps(table, first, ["v"]):
        branch = _both_sides(both, (EMPTY, _base()), name, [done])
        for key in (first, "n1"):
            for then in steps(table, key, ["v"]):
                _both_sides(both, branch, name, [then])
    assert repr(both.image.tables) == base


def _both_sides(both: Both, branch: Branch, name: str, done: list[Step]) -> Branch:
    """The branch after one call, which must have gone alike on both sides."""
    call = ToolCall(call_id="1", name=name, arguments={"steps": [list(step) for step in done]})
    asked = json.dumps(call.arguments)
    (overlay, answer), (data, plain_answer) = both.ours(branch[0], call), both.plain(branch[1], call)
    assert answer == plain_answer, done
    assert json.dumps(call.arguments) == asked
    assert repr(both.whole(overlay)) == repr(data), done
    return overlay, data


def _base() -> dict[str, Any]:
    return {name: dict(table) for name, table in TABLES.items()}


def _done(both: Both, overlay: Overlay, name: str, key: str, value: Any) -> Overlay:
    call = ToolCall(call_id="1", name="meddle", arguments={"steps": [[name, "orders", key, value]]})
    return both.ours(overlay, call)[0]


def test_a_call_that_changes_nothing_leaves_the_very_state() -> None:
    both = Both()
    assert _done(both, EMPTY, "assign what is there", "o1", None) is EMPTY
    assert _done(both, EMPTY, "the same number", "o1", None) is EMPTY
    changed = _done(both, EMPTY, "assign a part", "o1", "done")
    assert _done(both, changed, "assign a part", "o1", "done") is changed


def test_a_state_changed_back_is_the_base() -> None:
    both = Both()
    changed = _done(both, EMPTY, "assign a part", "o1", "done")
    assert changed.tables
    assert not _done(both, changed, "assign a part", "o1", "pending").tables


def test_the_order_of_keys_counts_for_the_state_and_not_for_the_reward() -> None:
    both = Both()
    reordered = _done(both, EMPTY, "order parts anew", "o1", None)
    assert reordered.key != EMPTY.key
    assert not reordered.differences(both.image)


@pytest.mark.parametrize(("value", "same"), [([], {}), ([["a", 1]], {"a": 1}), ({"b": 1, "a": 2}, {"a": 2, "b": 1})])
def test_what_upstreams_hash_takes_for_the_same_is_the_same_for_the_reward(value: Any, same: Any) -> None:
    both = Both()
    one, other = (_done(both, EMPTY, "assign a part", "o1", item) for item in (value, same))
    assert one.differences(both.image) == other.differences(both.image)
    assert one.key != other.key


@pytest.mark.parametrize(("value", "other"), [(1, 1.0), (1, True), (0.0, -0.0), (None, "None"), ([1], [[1]])])
def test_values_that_upstreams_hash_tells_apart_are_told_apart(value: Any, other: Any) -> None:
    both = Both()
    one, another = (_done(both, EMPTY, "assign a part", "o1", item) for item in (value, other))
    assert one.differences(both.image) != another.differences(both.image)
    assert one.key != another.key
    assert _done(both, one, "assign a part", "o1", other).key == another.key


def test_unchanged_parts_of_a_changed_record_are_the_bases_own() -> None:
    both = Both()
    changed = _done(both, EMPTY, "assign a part", "o1", "done")
    record = changed.tables["orders"].records["o1"]
    assert record is not None
    assert record.value["items"] is both.image.tables["orders"]["o1"]["items"]
