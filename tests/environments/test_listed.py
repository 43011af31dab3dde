"""A list kept as a table behaves as a list, and what nobody touched is shared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.environments.copy_on_write import Image, ReadView, ScratchView
from actors.environments.listed import listed

BASE = ({"n": 0}, {"n": 1}, {"n": 2})
OPERATIONS = ("append", "insert", "delete", "put", "change", "pop", "clear", "reverse", "extend")
one_call = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(-4, 4)), max_size=4)


def _image() -> Image:
    return {"items": listed([dict(item) for item in BASE])}


def _do(items: Any, operation: str, index: int) -> None:
    match operation:
        case "append":
            items.append({"n": index})
        case "insert":
            items.insert(index, {"n": index})
        case "delete":
            del items[index:]
        case "put" if -len(items) <= index < len(items):
            items[index] = {"n": 9}
        case "change":
            for item in items[:2]:
                item["n"] += 1
        case "pop" if len(items):
            items.pop()
        case "clear" if index == 0:
            items.clear()
        case "reverse":
            items.reverse()
        case "extend":
            items += [{"n": 7}, {"n": 8}]


@given(st.lists(one_call, max_size=6))
def test_a_listed_table_is_the_list_it_stands_for(calls: list[list[tuple[str, int]]]) -> None:
    image, tables, plain = _image(), dict[str, Any](), [dict(item) for item in BASE]
    for call in calls:
        view = ScratchView(image, tables)
        for operation, index in call:
            _do(view.items, operation, index)
            _do(plain, operation, index)
            assert view.items == plain
            assert len(view.items) == len(plain)
        tables = dict(view.settled())
        assert list(ReadView(image, tables).items) == plain
    assert list(ReadView(image, {}).items) == list(BASE)
    assert not tables or plain != list(BASE)


def test_walking_to_an_item_copies_no_other() -> None:
    image = _image()
    view = ScratchView(image, {})
    next(item for item in view.items if item["n"] == 1)["n"] = 5
    tables = view.settled()
    assert list(tables["items"].records) == ["1"]
    shown = ReadView(image, tables).items
    assert shown[2] is image["items"].values["2"]


def test_an_index_beyond_the_end_is_an_error_and_changes_nothing() -> None:
    view = ScratchView(_image(), {})
    with pytest.raises(IndexError):
        _ = view.items[3]
    assert view.items[-1] == {"n": 2}
    assert view.settled() == {}
