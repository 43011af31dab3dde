"""Whole episodes beside plain upstream: the same observations, rewards, ends and prompts, with forks on the way."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.environments.userbench.environment import TravelEnvironment, TravelState
from actors.environments.userbench.rules import option_seed
from rollouts.episode import JsonValue, StopReason, Task, ToolCall
from tests.userbench.plain import PlainUpstream, Recorded, one_task

pytestmark = pytest.mark.userbench
EPISODES = 240
ACTIONS = 18


def call(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(call_id="1", name=name, arguments=arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    text: str
    reward: float
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both worlds at the same place."""

    ours: TravelState
    plain: Any


@pytest.fixture(scope="module")
def upstream(checkout: Path) -> PlainUpstream:
    return PlainUpstream(checkout)


@pytest.fixture(scope="module")
def starts(travel: TravelEnvironment, upstream: PlainUpstream, tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    found = []
    for group in ("22", "233", "444", "2222"):
        for task in travel.tasks(f"T-{group}")[:2]:
            directory = one_task(tmp_path_factory.mktemp("one") / "data", task.task_id, task.data)
            plain = upstream.env(directory, task.task_id, options_seed=option_seed(task.task_id))
            found.append(Pair(ours=travel.initial(task), plain=plain))
    return found


def played(travel: TravelEnvironment, state: TravelState, action: str, recorded: Recorded) -> tuple[TravelState, Told]:
    """One action in upstream's form, on our side."""
    if action.startswith("[answer]"):
        option = action.removeprefix("[answer]").strip()
        transition = travel.apply(state, call("answer", option_id=option))
        new = set(transition.state.situation.scores) - set(state.situation.scores)
        told = Told(text=transition.content, reward=sum(score for _, score in new), ended=transition.stop is not None)
        return transition.state, told
    transition = travel.apply(state, call("hear", message=action.removeprefix("[action]")), side="user")
    while "say" not in (content := json.loads(transition.content)):
        assert not transition.is_error, content
        state = travel.load(travel.dump(transition.state))
        assert travel.key(state) == travel.key(transition.state)
        if "draw" in content:
            answer = call("draw", index=recorded.index(content["draw"]))
        else:
            answer = call("reply", text=recorded.reply(content["system"], content["user"]))
        transition = travel.apply(state, answer, side="user")
    assert transition.stop is None
    return transition.state, Told(text=content["say"], reward=content["reward"], ended=False)


def random_action(task: Task, chance: random.Random) -> str:
    data: Any = task.data
    aspects: list[str] = data["dimensions"]
    aspect = data[chance.choice(aspects)]
    ids = [option["id"] for options in aspect["options"].values() for option in options]
    text = chance.choice(["What about noise?", "Any wishes?", "Thanks — ok.", "", "[answer] F1", "[finish]", "{x} %s"])
    match chance.randrange(9):
        case 0 | 1:
            return f"[search] {chance.choice(aspects)} {text}".strip()
        case 2:
            wrong = chance.choice(["", "X1", "F", "h3", "F1,H2", "A0", "R٣", *ids])
            return f"[answer] {wrong}"
        case 3 | 4:
            return f"[answer] {chance.choice([aspect['best_id'], *aspect['correct_ids'], *ids])}"
        case _:
            return f"[action] {text}".strip()


def test_random_episodes_with_forks_are_upstreams(
    travel: TravelEnvironment, upstream: PlainUpstream, starts: list[Pair]
) -> None:
    counts = {"actions": 0, "forks": 0, "ended": 0, "drawn": 0}
    for number in range(EPISODES):
        chance = random.Random(number)
        pairs = [chance.choice(starts)]
        while len(pairs) <= ACTIONS:
            last = pairs[-1]
            if chance.random() < 0.2:
                last = chance.choice(pairs)
                counts["forks"] += 1
            action = random_action(last.ours.task, chance)
            mine, theirs = (Recorded(salt=str(number)) for _ in range(2))
            plain = forked(last.plain)
            ours, told = played(travel, last.ours, action, mine)
            text, reward, ended = upstream.step(plain, action, theirs)
            assert mine.asked == theirs.asked
            assert told.text == text
            assert told.reward == reward
            assert told.ended == ended
            assert bookkeeping(ours) == bookkeeping_of(plain)
            counts["actions"] += 1
            counts["drawn"] += sum(isinstance(asked, int) for asked in mine.asked)
            if ended:
                counts["ended"] += 1
                break
            pairs.append(Pair(ours=ours, plain=plain))
    assert counts["actions"] > 2_000
    assert counts["forks"] > 400
    assert counts["ended"] > 40
    assert counts["drawn"] > 40


def forked(plain: Any) -> Any:
    """A copy of upstream's environment, its tasks shared."""
    return copy.deepcopy(plain, {id(plain.current_task): plain.current_task, id(plain.tasks): plain.tasks})


def bookkeeping(state: TravelState) -> dict[str, Any]:
    situation = state.situation
    return {
        "history": [(entry.role, entry.content, entry.note) for entry in situation.history],
        "remaining": list(situation.remaining),
        "elicited": list(situation.elicited),
        "search_times": situation.searches,
        "nonpreference_times": situation.off_topic,
        "search_arguments": list(situation.unsearched),
        "remaining_best_options": list(situation.best),
        "remaining_correct_options": list(situation.correct),
        "choice_initials": list(situation.initials),
        "active_elicited_preferences": situation.active,
        "passive_elicited_preferences": situation.passive,
    }


def bookkeeping_of(plain: Any) -> dict[str, Any]:
    lines = plain.conversation_history
    return {
        "history": [(line["role"], line["content"], line.get("note", "")) for line in lines],
        "remaining": [preference["id"] for preference in plain.remaining_preferences],
        "elicited": [preference["id"] for preference in plain.elicited_preferences],
        **plain.state_list,
        "choice_initials": sorted(plain.state_list["choice_initials"]),
    }


def test_the_options_are_shown_in_the_order_that_upstream_gives_for_the_tasks_seed(starts: list[Pair]) -> None:
    for pair in starts:
        assert pair.ours.prepared.task["all_options"] == pair.plain.current_task["all_options"]


def test_the_return_is_the_mean_score_of_the_aspects_and_only_answered_ones_have_a_part(
    travel: TravelEnvironment, starts: list[Pair]
) -> None:
    state = next(pair.ours for pair in starts if len(pair.plain.current_task["dimensions"]) == 3)
    data: Any = state.task.data
    first, second, third = data["dimensions"]
    reward = travel.reward(state, (), StopReason.TURN_LIMIT)
    assert (reward.value, dict(reward.parts), reward.basis) == (0, {}, (first, second, third))
    other = next(name for name in data[second]["correct_ids"] if name != data[second]["best_id"])
    for option in (data[first]["best_id"], other):
        transition = travel.apply(state, call("answer", option_id=option))
        assert transition.stop is None
        state = transition.state
    reward = travel.reward(state, (), StopReason.TURN_LIMIT)
    assert dict(reward.parts) == {first: 1.0, second: 0.8}
    assert reward.value == pytest.approx(0.6)
    transition = travel.apply(state, call("answer", option_id=f"{data[third]['best_id'][0]}0"))
    assert transition.stop is StopReason.AGENT_STOP
    assert travel.reward(transition.state, (), StopReason.AGENT_STOP).parts[third] == 0.0
    with pytest.raises(ValueError, match="budget"):
        travel.reward(state, (), StopReason.BUDGET)
