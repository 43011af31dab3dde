"""The user's side as a policy: with a model behind it, and scripted. Needs nothing of upstream's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from actors.chat_asking import MAX_ASKS
from actors.chat_endpoint import Endpoint
from actors.chat_wire import ChatRequest, Reply
from actors.environments.userbench.user import Ask, ChatAnswerer, Prompt, TravelUser
from actors.scripted_travel import VAGUE, ScriptedAnswerer, request, wishes
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    Task,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from rollouts.errors import FailureKind, RolloutError
from tests.chat.samples import endpoint
from tests.userbench.synthetic import scenarios

NOBODY = Briefing(policy="", tools=(), user_instructions="")
ASKED = {"ask": "speak", "preferences": ["P2"], "system": "Be a user.", "user": "Say something."}


class Told:
    """A model that says what it was told to, in order."""

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)
        self.requests: list[ChatRequest] = []

    @property
    def endpoint(self) -> Endpoint:
        return endpoint("http://127.0.0.1:1/v1", "told")

    async def complete(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        usage = Usage(prompt_tokens=10, completion_tokens=1, cost_usd=None)
        return Reply(text=next(self._texts), tool_calls=(), reasoning="", finish_reason="stop", usage=usage)


@pytest.fixture
def task() -> Task:
    name, data = next(iter(scenarios("233").items()))
    return Task(task_id=name, domain="travel", split="train", data=data)


def heard(content: object, *, is_error: bool = False) -> Conversation:
    made = ToolCall(call_id="user_0", name="hear", arguments={"message": "Which view?"})
    result = ToolMessage(call_id="user_0", name="hear", content=json.dumps(content), is_error=is_error, side="user")
    return (
        UserMessage(text="Hello"),
        AssistantMessage(text="Which view?"),
        UserMessage(text="", tool_calls=(made,)),
        result,
    )


async def acted(task: Task, conversation: Conversation, *texts: str, seed: int = 5) -> tuple[Draft, Told]:
    model = Told(*texts)
    return await TravelUser(task, ChatAnswerer(model), identity="told").act(conversation, NOBODY, seed=seed), model


def only_call(draft: Draft) -> tuple[str, dict[str, Any]]:
    [made] = draft.tool_calls
    return made.name, dict(made.arguments)


async def test_the_user_opens_with_the_scenarios_words_and_passes_messages_on(task: Task) -> None:
    opening, model = await acted(task, ())
    assert opening.text == task.data["initial_description"]
    draft, _ = await acted(task, (UserMessage(text="Hello"), AssistantMessage(text="Which view?")))
    assert only_call(draft) == ("hear", {"message": "Which view?"})
    assert model.requests == []


async def test_a_prompt_takes_one_call_without_memory_and_its_reply_is_passed_on(task: Task) -> None:
    draft, model = await acted(task, heard(ASKED), ' {"response": "Sea."} ')
    assert only_call(draft) == ("reply", {"text": '{"response": "Sea."}'})
    assert draft.tool_calls[0].call_id == "user_1"
    assert draft.usage == Usage(prompt_tokens=10, completion_tokens=1, cost_usd=None)
    [asked] = model.requests
    assert [(m["role"], m["content"]) for m in asked.messages] == [("system", "Be a user."), ("user", "Say something.")]
    assert (asked.tools, asked.seed) == ([], 5)


async def test_a_draw_is_the_seeds_and_takes_no_model(task: Task) -> None:
    drawn = [only_call((await acted(task, heard({"draw": 3}), seed=seed))[0]) for seed in range(6)]
    assert drawn == [("draw", {"index": index}) for index in (0, 1, 2, 0, 1, 2)]


async def test_what_the_rules_say_is_said(task: Task) -> None:
    draft, _ = await acted(task, heard({"say": "Sea, please.", "reward": 0.2, "elicited": ["P1"]}))
    assert (draft.text, draft.tool_calls) == ("Sea, please.", ())


@pytest.mark.parametrize(
    "useless", ["", "Sea.", "[1]", '{"thought": "x"}', '{"response": ', '"response"', "{" * 50_000]
)
async def test_a_useless_reply_is_asked_for_again_and_paid_for(task: Task, useless: str) -> None:
    draft, model = await acted(task, heard(ASKED), useless, '```json\n{"response": "Sea."}\n```')
    assert only_call(draft)[0] == "reply"
    assert draft.usage.prompt_tokens == 20
    first, second = model.requests
    assert len(second.messages) == len(first.messages) + 1
    assert first.seed != second.seed


async def test_replies_that_stay_useless_fail_the_episode_and_are_no_answer(task: Task) -> None:
    with pytest.raises(RolloutError, match=f"no usable reply in {MAX_ASKS} asks; .*no key 'response'") as told:
        await acted(task, heard(ASKED), *["{}"] * MAX_ASKS)
    assert told.value.kind is FailureKind.SIMULATOR


async def test_a_refused_answer_fails_the_episode(task: Task) -> None:
    with pytest.raises(RolloutError, match=r"cannot go on after ToolMessage.*not asked") as told:
        await acted(task, heard("not asked", is_error=True))
    assert told.value.kind is FailureKind.SIMULATOR


def prompt(ask: Ask, message: str, preferences: Sequence[str] = ()) -> Prompt:
    return Prompt(ask=ask, system="", user="", heard=message, preferences=tuple(preferences))


async def replied(task: Task, asked: Prompt) -> Any:
    return json.loads((await ScriptedAnswerer(task).answer(asked, seed=0)).text)


async def test_the_scripted_user_understands_the_scripted_agents_words(task: Task) -> None:
    data: Any = task.data
    known, aspect = wishes(task.data), data["dimensions"][1]
    assert len(known) == sum(data["wanted_num"])
    question = known[1].question
    assert await replied(task, prompt("judge_message", question, ["P1", "P2"])) == {"type": "2", "preference_id": "P2"}
    assert await replied(task, prompt("judge_message", question, ["P1"])) == {"type": "3"}
    assert (await replied(task, prompt("judge_message", VAGUE.format(aspect=aspect), ["P1"])))["type"] == "4"
    assert (await replied(task, prompt("judge_message", "Hello", ["P1"])))["type"] == "1"
    assert await replied(task, prompt("speak", question, ["P2"])) == {"response": known[1].hint}
    found = await replied(task, prompt("judge_search", request(task.data, aspect)))
    assert found == {"alignment_judgement": "True", "alignment_aspect": aspect}
    assert await replied(task, prompt("judge_search", f"[search] {aspect}")) == {"alignment_judgement": "False"}
