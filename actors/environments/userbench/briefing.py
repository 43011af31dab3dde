"""What the two sides are told and can do. The texts are this package's own; upstream's prompts come from upstream as it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollouts.episode import Briefing, JsonValue, ToolCall, ToolSpec

SEARCH = "[search]"
# what a message to the database starts with, as in upstream's own notation
POLICY = f"""\
You are a travel agent and plan one trip for one user. The trip has several aspects, of these: flight, hotel, apartment,
rental car, restaurant. The user's first message says which.

Do one of these at a time:
- Talk to the user: write a message. The user has wishes for each aspect and does not say them at first. Ask about one concrete
  detail at a time, such as the airline or the number of beds; to a vague question, such as whether there are any preferences,
  you get no useful answer. The user hints at wishes more often than stating them.
- Search: write a message that starts with {SEARCH}, then what to search for: one aspect, and every detail of the trip that
  it depends on (places, dates, numbers of people and the like), no more and no less. Such a message goes to the travel
  database and not to the user. The database answers a right request with the aspect's options and their ids, once. Now and
  then it fails; try again.
- Recommend: call the tool `answer` with the id of one option. Each aspect gets one recommendation, and it is final.

The best option of an aspect is the cheapest of those that meet all wishes for it: the user's budget is limited. The number
of your turns is limited too. The conversation is over when every aspect has its recommendation.
"""

ANSWER = ToolSpec(
    name="answer",
    description="Recommend one option to the user. Final for the option's aspect of the trip.",
    parameters={
        "type": "object",
        "properties": {"option_id": {"type": "string", "description": "the option's id, such as H3"}},
        "required": ["option_id"],
        "additionalProperties": False,
    },
    kind="write",
)
HEAR = ToolSpec(
    name="hear",
    description="Take in the agent's message. Says what is asked next, or what to say.",
    parameters={
        "type": "object",
        "properties": {"message": {"type": "string", "description": "the agent's message"}},
        "required": ["message"],
        "additionalProperties": False,
    },
    kind="other",
)
REPLY = ToolSpec(
    name="reply",
    description="Give a model's reply to the prompt that was asked.",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string", "description": "the reply, as the model wrote it"}},
        "required": ["text"],
        "additionalProperties": False,
    },
    kind="other",
)
DRAW = ToolSpec(
    name="draw",
    description="Give the number that was asked to be drawn.",
    parameters={
        "type": "object",
        "properties": {"index": {"type": "integer", "minimum": 0, "description": "below the number of options"}},
        "required": ["index"],
        "additionalProperties": False,
    },
    kind="other",
)
USER_TOOLS = (HEAR, REPLY, DRAW)


class Refusal(ValueError):
    """A call that cannot be carried out; the text goes back to the caller."""


def briefing(data: Mapping[str, Any], preferences: Mapping[str, Mapping[str, Any]]) -> Briefing:
    wishes = [
        f"- {name}: {wish['aspect']}, {wish['subcategory']}: {wish['preference']}" for name, wish in preferences.items()
    ]
    scenario = f"{data['scenario']}\n\nOpens with:\n{data['initial_description']}"
    return Briefing(
        policy=POLICY,
        tools=(ANSWER,),
        user_instructions="\n".join([scenario, "", "Wishes, told only when asked for or when neglected:", *wishes]),
        user_tools=USER_TOOLS,
    )


def text_argument(call: ToolCall, name: str) -> str:
    """The call's one argument. Refusal when it is not a text called `name`."""
    value = _only_argument(call, name)
    if not isinstance(value, str):
        raise Refusal(f"{call.name}: {name} must be a string, got {type(value).__name__}")
    return value


def index_argument(call: ToolCall, name: str, *, below: int) -> int:
    """The call's one argument. Refusal when it is not a number called `name` from 0 to `below` - 1."""
    value = _only_argument(call, name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < below:
        raise Refusal(f"{call.name}: {name} must be an integer from 0 to {below - 1}, got {str(value)[:40]}")
    return value


def _only_argument(call: ToolCall, name: str) -> JsonValue:
    if set(call.arguments) != {name}:
        got = ", ".join(map(str, call.arguments)) or "none"
        raise Refusal(f"{call.name} takes one argument, {name}; got {got[:80]}")
    return call.arguments[name]
