"""A scratch table behaves as the dictionary it stands for, and states are recognised by what they hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from actors.environments.copy_on_write import BaseTable, Image, ReadView, Record, ScratchView, Tables, differences


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
    assert _held(image["boxes"].models) == list(BASE.items())


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
