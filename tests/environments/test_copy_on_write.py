"""A scratch table behaves as the dictionary it stands for, and states are recognised by what they hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from actors.environments.copy_on_write import (
    BaseTable,
    Image,
    ReadView,
    Record,
    ScratchView,
    Tables,
    cell,
    differences,
)
from actors.environments.thawing import thawed, untouched


class Box(BaseModel):
    holds: Any


Boxes = MutableMapping[str, Any]


def _append(boxes: Boxes, key: str, value: int) -> None:
    if key in boxes:
        boxes[key].holds.append(value)


def _put(boxes: Boxes, key: str, value: int) -> None:
    boxes[key] = Box(holds=[value])


def _remove(boxes: Boxes, key: str, value: int) -> None:
    boxes.pop(key, None)


def _put_if_absent(boxes: Boxes, key: str, value: int) -> None:
    boxes.setdefault(key, Box(holds=[])).holds.append(value)


def _append_to_all(boxes: Boxes, key: str, value: int) -> None:
    for box in boxes.values():
        box.holds.append(value)


def _remove_last(boxes: Boxes, key: str, value: int) -> None:
    if len(boxes):
        boxes.popitem()


def _undo(boxes: Boxes, key: str, value: int) -> None:
    if key in boxes and boxes[key].holds:
        boxes[key].holds.pop()


def _read(boxes: Boxes, key: str, value: int) -> None:
    boxes.get(key)


Operation = Callable[[Boxes, str, int], None]
OPERATIONS: list[Operation] = [_append, _put, _remove, _put_if_absent, _append_to_all, _remove_last, _undo, _read]
BASE = {key: [index] for index, key in enumerate("abc")}
one_call = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.sampled_from("abcde"), st.integers(0, 2)), max_size=4)


def _image() -> Image:
    return {"boxes": BaseTable({key: Box(holds=list(holds)) for key, holds in BASE.items()})}


def _held(boxes: Any) -> list[tuple[str, Any]]:
    return [(key, box.holds) for key, box in boxes.items()]


def _identity(tables: Tables) -> object:
    return {
        name: ({key: record and record.face for key, record in delta.records.items()}, delta.appended)
        for name, delta in tables.items()
    }


@given(st.lists(one_call, max_size=8))
def test_a_table_is_the_dictionary_it_stands_for(calls: list[list[tuple[Operation, str, int]]]) -> None:
    image, tables = _image(), dict[str, Any]()
    plain = {key: Box(holds=list(holds)) for key, holds in BASE.items()}
    seen: dict[str, object] = {repr(_held(plain)): _identity(tables)}
    for call in calls:
        before, earlier = tables, copy.deepcopy(_held(ReadView(image, tables).boxes))
        view = ScratchView(image, tables)
        for operation, key, value in call:
            operation(view.boxes, key, value)
            operation(plain, key, value)
            assert list(view.boxes) == list(plain)
            assert len(view.boxes) == len(plain)
        tables = dict(view.settled())
        assert _held(ReadView(image, tables).boxes) == _held(plain)
        assert _held(ReadView(image, before).boxes) == earlier
        assert seen.setdefault(repr(_held(plain)), _identity(tables)) == _identity(tables)
    assert _held(image["boxes"].values) == list(BASE.items())


def test_a_state_back_at_the_base_differs_in_nothing() -> None:
    image = _image()
    away, back = ScratchView(image, {}), ScratchView(image, {})
    _append(away.boxes, "a", 7)
    tables = away.settled()
    assert list(tables["boxes"].records) == ["a"]
    back = ScratchView(image, tables)
    _undo(back.boxes, "a", 0)
    assert back.settled() == {}


def test_a_call_that_changes_nothing_returns_the_state_it_came_from() -> None:
    image = _image()
    view = ScratchView(image, {})
    _append(view.boxes, "a", 7)
    tables = view.settled()
    again = ScratchView(image, tables)
    _append_to_all(again.boxes, "", 1)
    for key in again.boxes:
        _undo(again.boxes, key, 0)
    assert again.settled() is tables


def test_a_record_removed_and_put_back_comes_last_and_is_no_difference() -> None:
    image = _image()
    view = ScratchView(image, {})
    view.boxes["a"] = view.boxes.pop("a")
    tables = view.settled()
    assert list(ReadView(image, tables).boxes) == ["b", "c", "a"]
    assert differences(image, tables) == frozenset()
    assert tables["boxes"].appended == ("a",)


def test_a_removed_record_is_a_difference() -> None:
    image = _image()
    view = ScratchView(image, {})
    del view.boxes["b"]
    assert differences(image, view.settled()) == {("boxes", "b", b"")}


def test_the_order_inside_a_record_is_seen_by_tools_and_not_by_the_reward() -> None:
    one, other = Record(Box(holds={"x": 1, "y": 2})), Record(Box(holds={"y": 2, "x": 1}))
    assert one.canon == other.canon
    assert one.face != other.face
    assert Record(Box(holds=[1])).canon != Record(Box(holds=[1.0])).canon


def test_a_database_has_no_other_tables() -> None:
    for view in (ReadView(_image(), {}), ScratchView(_image(), {})):
        with pytest.raises(AttributeError, match="'crates'; it has boxes"):
            _ = view.crates


def test_a_read_tool_cannot_put_a_record_into_the_base() -> None:
    boxes: Any = ReadView(_image(), {}).boxes
    with pytest.raises(TypeError):
        boxes["d"] = Box(holds=[])


# -- cells ------------------------------------------------------------------------------------------------------------


def _shelf() -> Image:
    return {"shelf": cell([Box(holds=1), Box(holds=2)]), "lid": cell(Box(holds=None))}


def test_a_list_is_one_record_that_a_tool_finds_as_a_list() -> None:
    image = _shelf()
    view = ScratchView(image, {})
    view.shelf.append(Box(holds=3))
    view.lid.holds = "shut"
    tables = view.settled()
    assert [box.holds for box in ReadView(image, tables).shelf] == [1, 2, 3]
    assert ReadView(image, tables).lid.holds == "shut"
    assert [box.holds for box in ReadView(image, {}).shelf] == [1, 2]
    assert differences(image, tables) == {(name, "", tables[name].records[""].canon) for name in ("shelf", "lid")}  # type: ignore[union-attr]


def test_a_cell_given_back_its_value_is_no_difference() -> None:
    image = _shelf()
    away = ScratchView(image, {})
    away.put("lid", Box(holds="shut"))
    back = ScratchView(image, away.settled())
    back.put("lid", Box(holds=None))
    assert back.settled() == {}


def test_looking_at_a_cell_changes_nothing() -> None:
    image = _shelf()
    view = ScratchView(image, {})
    assert [box.holds for box in view.shelf] == [1, 2]
    assert view.settled() == {}


def test_tables_that_the_reward_does_not_know_make_no_difference() -> None:
    image = _shelf()
    view = ScratchView(image, {})
    view.lid.holds = "shut"
    assert differences({"shelf": image["shelf"]}, view.settled()) == frozenset()


# -- copies -----------------------------------------------------------------------------------------------------------

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.dates() | st.tuples(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | inner.map(lambda value: Box(holds=value))
    ),
    max_leaves=8,
)


def _containers(value: Any) -> list[Any]:
    match value:
        case Box():
            return [value, *_containers(value.holds)]
        case dict():
            return [value, *(found for item in value.values() for found in _containers(item))]
        case list():
            return [value, *(found for item in value for found in _containers(item))]
        case _:
            return []


@given(values)
def test_a_thawed_value_is_the_same_and_shares_nothing_that_can_be_written_to(value: Any) -> None:
    copied = thawed(value)
    assert repr(copied) == repr(value)
    assert not {id(found) for found in _containers(value)} & {id(found) for found in _containers(copied)}


@given(values, st.data())
def test_a_change_anywhere_is_noticed(value: Any, data: st.DataObject) -> None:
    copied = thawed(value)
    places = _containers(copied)
    if not places:
        return
    match data.draw(st.sampled_from(places)):
        case Box() as box:
            box.holds = [box.holds]
        case dict() as mapping:
            mapping["new"] = 1
        case list() as items:
            items.append(1)
    assert not untouched(value, copied)


@given(values)
def test_an_untouched_copy_is_known_for_one(value: Any) -> None:
    assert untouched(value, thawed(value))


def test_what_has_no_way_of_its_own_to_be_copied_is_copied_whole() -> None:
    value = {"numbers": {1, 2}}
    copied = thawed(value)
    assert copied == value
    assert copied["numbers"] is not value["numbers"]
    assert not untouched(value, copied)


def test_the_same_keys_in_another_order_are_a_change() -> None:
    value = {"a": 1, "b": 2}
    copied = thawed(value)
    copied["a"] = copied.pop("a")
    assert not untouched(value, copied)
