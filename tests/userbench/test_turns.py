"""Turns of the user's side: questions, answers, bookkeeping, and what is kept apart from the process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.environments.userbench.environment import TravelEnvironment, TravelState
from actors.environments.userbench.scenarios import Scenarios
from rollouts.episode import Task
from rollouts.errors import DataError, UsageError
from tests.needs import REPOSITORY
from tests.userbench.calls import call, judged, searched, shown, spoken, turn

pytestmark = pytest.mark.userbench


@pytest.fixture
def task(travel: TravelEnvironment) -> Task:
    return travel.tasks("T-22/train")[0]


@pytest.fixture
def start(travel: TravelEnvironment, task: Task) -> TravelState:
    return travel.initial(task)


def first_aspect(task: Task) -> tuple[str, dict[str, Any]]:
    data: Any = task.data
    return data["dimensions"][0], data[data["dimensions"][0]]


def test_a_wish_that_is_asked_for_is_judged_told_and_rewarded_once(
    travel: TravelEnvironment, start: TravelState
) -> None:
    state, told = turn(travel, start, "How quiet?", judged("2", "P1"), spoken("I sleep lightly."))
    assert [set(part) for part in told] == [{"ask", "preferences", "system", "user"}] * 2 + [
        {"say", "reward", "elicited"}
    ]
    assert told[0]["preferences"] == ["P1", "P2", "P3", "P4"]
    assert told[1]["preferences"] == ["P1"]
    assert told[2] == {"say": "I sleep lightly.", "reward": 0.2, "elicited": ["P1"]}
    assert state.situation.remaining == ("P2", "P3", "P4")
    _, again = turn(travel, state, "How quiet?", judged("2", "P1"), spoken("As I said."))
    assert (again[-1]["reward"], again[-1]["elicited"]) == (0.0, [])


def test_the_prompts_hold_the_message_the_scenario_and_the_history(
    travel: TravelEnvironment, start: TravelState, task: Task
) -> None:
    state, told = turn(travel, start, "How quiet?", judged("1"), spoken("Nothing to say."))
    assert "How quiet?" in told[0]["user"]
    assert str(task.data["scenario"]) in told[0]["user"]
    _, later = turn(travel, state, "And the view?", judged("3"))
    assert "Nothing to say." in later[0]["user"]
    assert "P1" in later[0]["user"]


def test_a_neglected_user_volunteers_the_wish_that_is_drawn(travel: TravelEnvironment, start: TravelState) -> None:
    state = start
    for _ in range(2):
        state, _ = turn(travel, state, "Nice weather.", judged("1"), spoken("Yes."))
    told = [turn(travel, state, "Nice weather.", judged("1"), index, spoken("By the way…"))[1] for index in range(4)]
    assert [part[1] for part in told] == [{"draw": 4}] * 4
    assert [part[2]["preferences"] for part in told] == [["P1"], ["P2"], ["P3"], ["P4"]]
    assert [(part[3]["elicited"], part[3]["reward"]) for part in told] == [([f"P{i}"], 0.0) for i in (1, 2, 3, 4)]


def test_a_right_search_shows_the_options_once_and_each_fifth_fails_without_a_question(
    travel: TravelEnvironment, start: TravelState, task: Task
) -> None:
    aspect, described = first_aspect(task)
    state, told = turn(travel, start, f"[search] {aspect}", searched(aspect))
    ids = [option["id"] for options in described["options"].values() for option in options]
    assert told[0]["ask"] == "judge_search"
    assert told[1]["reward"] == 0.2
    assert all(f'"{name}"' in shown(told) for name in ids)
    assert "made as" not in shown(told)
    for _ in range(3):
        state, told = turn(travel, state, f"  [search] {aspect}", searched(aspect))
        assert told[1]["reward"] == 0.0
        assert ids[0] not in shown(told)
    _, told = turn(travel, state, f"[search] {aspect}")
    assert told[0]["reward"] == 0.0


def test_other_marks_in_a_message_are_words_to_the_user(travel: TravelEnvironment, start: TravelState) -> None:
    for message in ("[answer] F1", "[finish]", "", "[action] Hello"):
        _, told = turn(travel, start, message, judged("4"))
        assert told[0]["ask"] == "judge_message"
        assert told[1]["elicited"] == []


def test_a_recommendation_takes_the_wishes_of_its_aspect_with_it(
    travel: TravelEnvironment, start: TravelState, task: Task
) -> None:
    _, described = first_aspect(task)
    state = travel.apply(start, call("answer", option_id=described["best_id"])).state
    assert state.situation.remaining == ("P3", "P4")
    _, told = turn(travel, state, "How quiet?", judged("2", "P1"), spoken("Any."))
    assert told[0]["preferences"] == ["P3", "P4"]
    assert told[-1]["elicited"] == []


def test_what_is_not_asked_for_is_refused_and_changes_nothing(travel: TravelEnvironment, start: TravelState) -> None:
    heard, _ = turn(travel, start, "Hello")
    neglected = start
    for _ in range(2):
        neglected, _ = turn(travel, neglected, "Nice.", judged("1"), spoken("Yes."))
    drawing, _ = turn(travel, neglected, "Nice.", judged("1"))
    wrong = [
        *((start, call(name, **given)) for name, given in (("reply", {"text": "{}"}), ("draw", {"index": 0}))),
        (start, call("hear")),
        (start, call("hear", message=3)),
        (start, call("answer", option_id="F1")),
        (heard, call("hear", message="Hello")),
        (heard, call("draw", index=0)),
        (heard, call("reply", text=None)),
        *((drawing, call("draw", index=index)) for index in (-1, 4, True, "0", 0.0, None)),
        (drawing, call("reply", text="{}")),
    ]
    for state, made in wrong:
        transition = travel.apply(state, made, side="user")
        assert transition.is_error, made
        assert transition.content.startswith("Error: ")
        assert transition.state is state
    assert travel.apply(heard, call("answer", option_id="F1")).is_error


def test_half_characters_and_bottomless_nesting_in_a_reply_do_no_harm(
    travel: TravelEnvironment, start: TravelState
) -> None:
    state, told = turn(travel, start, "Hello", judged("1"), r'{"response": "a\ud800b 😀 \ud83d\ude00"}')
    assert shown(told) == "a?b 😀 😀"
    assert travel.key(travel.load(travel.dump(state))) == travel.key(state)
    _, told = turn(travel, start, "Hello", "[" * 100_000, '{"response": ' * 100_000)
    assert told[-1]["reward"] == 0.0


ALONE = """
import json, random, sys
from actors.environments.userbench import open_environment
from tests.needs import REPOSITORY
from tests.userbench.calls import judged, spoken, turn

keys, modules, unchanged = set(), set(sys.modules), True
for seed in (1, 2):
    random.seed(seed)
    before = random.getstate()
    travel = open_environment("travel")
    state = travel.initial(travel.tasks("T-22/train")[0])
    for _ in range(2):
        state, _ = turn(travel, state, "Nice.", judged("1"), spoken("Yes."))
    state, told = turn(travel, state, "Nice.", judged("1"), 3, spoken("By the way…"))
    keys.add(travel.key(state).hex())
    unchanged &= random.getstate() == before
print(json.dumps({"unchanged": unchanged, "drawn": told[1], "keys": len(keys), "new": sorted(set(sys.modules) - modules)}))
"""


def test_nothing_of_the_process_is_read_or_changed_and_no_sdk_is_loaded(checkout: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["unchanged"], told["drawn"], told["keys"]) == (True, {"draw": 4}, 1)
    assert not [name for name in told["new"] if re.search("travelgym|treeroll|openai|gymnasium|numpy", name)]


def test_playing_leaves_the_scenario_and_what_was_made_of_it_alone(
    travel: TravelEnvironment, start: TravelState
) -> None:
    def image() -> str:
        return json.dumps([start.task.data, start.prepared.task, dict(start.prepared.preferences)])

    before = image()
    state, _ = turn(travel, start, "How quiet?", judged("2", "P1"), spoken("Very."))
    aspect, described = first_aspect(start.task)
    state, _ = turn(travel, state, f"[search] {aspect}", searched(aspect))
    travel.apply(state, call("answer", option_id=described["best_id"]))
    assert image() == before
    assert start.prepared is travel.initial(start.task).prepared


def test_a_task_of_ones_own_is_stored_whole(travel: TravelEnvironment, task: Task) -> None:
    own = Task(task_id="mine", domain="travel", split="own", data=task.data)
    state, _ = turn(travel, travel.initial(own), "How quiet?", judged("1"))
    stored = travel.load(travel.dump(state))
    assert stored.task == own
    assert travel.key(stored) == travel.key(state)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"scenarios": "others"}'])
def test_what_is_no_state_is_refused(travel: TravelEnvironment, start: TravelState, data: bytes) -> None:
    with pytest.raises(DataError, match="it must come from `dump`"):
        travel.load(data)
    stored = json.loads(travel.dump(start))
    changes: list[dict[str, Any]] = [
        {"task": "nobody"},
        {"task": 3},
        {"situation": {}},
        {"turn": {"action": "x", "more": 1}},
    ]
    for change in changes:
        with pytest.raises(DataError, match="it must come from `dump`"):
            travel.load(json.dumps({**stored, **change}).encode())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dimensions": []}, "it has no aspects"),
        ({"dimensions": ["boat"]}, "'boat' is no aspect of a trip"),
        ({"dimensions": ["flight"], "flight": None}, "says nothing of its flight"),
        (
            {"dimensions": ["flight"], "flight": {"best_id": "F1", "correct_ids": ["F2"]}},
            "must be one of `correct_ids`",
        ),
        (
            {"dimensions": ["flight"], "flight": {"best_id": "F1", "correct_ids": ["F1", "H1"]}},
            "'H1' is no id of its flight",
        ),
    ],
)
def test_a_task_that_cannot_be_rewarded_is_refused(
    travel: TravelEnvironment, task: Task, change: dict[str, Any], problem: str
) -> None:
    broken = Task(task_id="broken", domain="travel", split="own", data={**task.data, **change})
    with pytest.raises(UsageError, match=f"task 'broken' cannot be rewarded: .*{problem}"):
        travel.initial(broken)


def test_a_task_of_another_domain_is_refused(travel: TravelEnvironment) -> None:
    with pytest.raises(UsageError, match="is of domain 'retail', this is 'travel'"):
        travel.initial(Task(task_id="1", domain="retail", split="train", data={}))


def test_one_environment_never_reads_a_scenario_file_again(package: Path) -> None:
    travel = TravelEnvironment(domain="travel", package=package, scenarios=Scenarios(package / "data", domain="travel"))
    tasks = travel.tasks("T-333")
    assert all(travel.initial(task).task is task for task in travel.tasks("T-333"))
    assert [task.data is again.data for task, again in zip(tasks, travel.tasks("T-333"), strict=True)] == [True] * 3
