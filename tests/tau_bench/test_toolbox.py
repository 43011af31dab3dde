"""How a call is made, whatever the tool does with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from actors.environments.tau_bench.overlay import EMPTY, Image, Overlay
from actors.environments.tau_bench.toolbox import Toolbox
from actors.environments.tau_bench.views import Views
from rollouts.episode import JsonValue, ToolCall
from rollouts.errors import DataError
from tests.tau_bench.hostile import DOMAIN, TABLES

IMAGE = Image(TABLES)


def _called(function: Callable[..., Any], overlay: Overlay = EMPTY, **arguments: JsonValue) -> tuple[Overlay, str]:
    """What comes of calling `function` as a tool of upstream's kind."""
    return _toolbox(function).call(ToolCall(call_id="1", name="tool", arguments=arguments), overlay)


def _toolbox(function: Callable[..., Any]) -> Toolbox:
    described = {"name": "tool", "description": "", "parameters": {"type": "object"}}
    tool = type("Tool", (), {"invoke": staticmethod(function), "get_info": lambda: {"function": described}})
    return Toolbox(DOMAIN, image=IMAGE, tools={"tool": tool})


def _goods(overlay: Overlay) -> Any:
    return Views(IMAGE, unwritten=frozenset()).whole_copy(overlay)["goods"]


def test_a_tool_cannot_add_a_table() -> None:
    def expand(data: dict[str, Any]) -> str:
        data["more"] = {}
        return ""

    with pytest.raises(DataError, match="more"):
        _called(expand)


def test_a_tool_may_replace_a_table() -> None:
    def replace(data: dict[str, Any]) -> str:
        data["goods"] = {"g2": data["goods"]["g2"], "n1": {"first": 1}}
        return ""

    overlay, _ = _called(replace)
    assert _goods(overlay) == {"g2": TABLES["goods"]["g2"], "n1": {"first": 1}}
    assert _called(replace, overlay)[0] is overlay


def test_a_tool_that_catches_exceptions_cannot_hide_a_write_to_what_it_was_lent() -> None:
    def careless(data: dict[str, Any]) -> str:
        try:
            for record in data["goods"].values():
                record["first"] = 7
        except Exception:  # noqa: BLE001 - what the tool does wrong
            return "nothing happened"
        return "done"

    overlay, answer = _called(careless)
    assert answer == "done"
    assert [record["first"] for record in _goods(overlay).values()] == [7, 7]


def test_what_a_tool_had_changed_before_it_failed_stays_changed() -> None:
    def breaks(data: dict[str, Any]) -> str:
        data["users"]["u1"]["first"] = 7
        return str(data["users"]["nobody"])

    overlay, answer = _called(breaks)
    assert answer == "Error: 'nobody'"
    assert overlay.tables["users"].records.keys() == {"u1"}


@pytest.mark.parametrize("answer", [None, 7, ["x"]])
def test_an_answer_that_is_no_text_is_an_error(answer: Any) -> None:
    assert _called(lambda data: answer) == (EMPTY, "Error: tool gave no answer")


def test_a_tool_keeps_copies_of_its_arguments() -> None:
    def keep(data: dict[str, Any], given: list[Any]) -> str:
        data["users"]["u1"]["given"] = given
        given.append("more")
        return ""

    given: list[JsonValue] = ["x", {"y": ["z"]}]
    overlay, _ = _called(keep, given=given)
    key = overlay.key
    given.clear()
    assert overlay.key == key
    record = overlay.tables["users"].records["u1"]
    assert record is not None
    assert record.value["given"] == ["x", {"y": ["z"]}, "more"]


def test_arguments_nested_without_end_are_refused() -> None:
    nested: JsonValue = []
    for _ in range(5_000):
        nested = [nested]
    overlay, answer = _called(lambda data, given: "", given=nested)
    assert overlay is EMPTY
    assert answer.startswith("Error: arguments are nested more than")


def test_threads_share_no_table() -> None:
    """Tables are used again from call to call; each thread here counts in a record that the others count in too."""

    def count(data: dict[str, Any], by: int) -> str:
        data["users"]["u1"]["first"] += by
        data["users"][f"n{data['users']['u1']['first']}"] = {}
        return json.dumps([data["users"]["u1"]["first"], len(data["users"])])

    tool = _toolbox(count)

    def counted(by: int) -> list[str]:
        overlay, answers = EMPTY, []
        for _ in range(200):
            overlay, answer = tool.call(ToolCall(call_id="1", name="tool", arguments={"by": by}), overlay)
            answers.append(answer)
        return answers

    with ThreadPoolExecutor(max_workers=4) as threads:
        found = list(threads.map(counted, range(1, 9)))
    assert found == [[json.dumps([step * by, 2 + step]) for step in range(1, 201)] for by in range(1, 9)]


def test_a_bug_of_a_tool_is_no_observation() -> None:
    def broken(data: dict[str, Any]) -> str:
        raise AssertionError("this is not about the arguments")

    with pytest.raises(AssertionError):
        _called(broken)
