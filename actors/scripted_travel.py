"""Scripted stand-ins for UserBench: an agent and a user that know their task's scenario and need no model.

They make the environment playable in tests and demonstrations, with chances drawn from the seeds they are given. They say
nothing about how any model behaves; their identities begin with "scripted:".

The agent searches, asks for each wish in a fixed form of words, and recommends; the user understands that form. What the agent
has not asked for it does not know: its chance to pick the best option is the share of the wishes it was told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.environments.userbench.briefing import ANSWER, SEARCH
from actors.environments.userbench.situation import ASPECT_OF_INITIAL
from actors.environments.userbench.user import Answered, Prompt, TravelUser
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    JsonValue,
    Task,
    ToolCall,
    Usage,
    UserMessage,
)
from rollouts.protocols import Cast, Critic
from rollouts.seeds import SEED_BITS, derive_seed

VAGUE = "Do you have any preferences for the {aspect}?"
MAX_SEARCHES = 3
# for one aspect: the database fails at times


@dataclass(frozen=True, slots=True, kw_only=True)
class TravelErrors:
    """Chance of each mistake at each place where it can be made."""

    sloppy_search: float = 0.15
    # leaves a detail out: costs a turn
    vague_question: float = 0.15
    # costs a turn
    early_choice: float = 0.2
    # recommends before it has asked for every wish
    wrong_choice: float = 0.1
    # an option that fails a wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    name: str
    # upstream's id of the preference
    aspect: str
    subject: str
    hint: str
    # how the user puts it

    @property
    def question(self) -> str:
        return f"About the {self.aspect}: what would you like as to {self.subject}?"


def wishes(data: Mapping[str, Any]) -> list[Wish]:
    """The task's preferences under upstream's ids (travelgym/env/travel_env.py, _initialize_preferences)."""
    listed = [
        (aspect, wish)
        for aspect in data["dimensions"]
        for wish in data.get(aspect, {}).get("preferences", [])
        if isinstance(wish, list) and len(wish) >= 4
    ]
    return [
        Wish(name=f"P{number}", aspect=aspect, subject=str(wish[1]), hint=str(wish[3]))
        for number, (aspect, wish) in enumerate(listed, start=1)
    ]


def request(data: Mapping[str, Any], aspect: str) -> str:
    """The message that searches for an aspect by all of its arguments."""
    return f"{SEARCH} {aspect}: " + "; ".join(_details(data, aspect))


def _details(data: Mapping[str, Any], aspect: str) -> list[str]:
    arguments = data[aspect].get("arguments", {})
    pairs = arguments.items() if isinstance(arguments, Mapping) else enumerate(arguments)
    return [f"{name} = {json.dumps(value)}" for name, value in pairs]


# -- user -------------------------------------------------------------------------------------------------------------


class ScriptedAnswerer:
    """Judges by the agent's form of words, and says a wish as the scenario puts it."""

    def __init__(self, task: Task) -> None:
        self._data = task.data
        self._wishes = wishes(task.data)

    async def answer(self, prompt: Prompt, *, seed: int) -> Answered:
        return Answered(text=json.dumps(self._reply(prompt)), usage=Usage())

    def _reply(self, prompt: Prompt) -> dict[str, JsonValue]:
        match prompt.ask:
            case "judge_search":
                return self._searched(prompt.heard)
            case "judge_message":
                return self._asked(prompt.heard, prompt.preferences)
            case "speak":
                hints = [wish.hint for wish in self._wishes if wish.name in prompt.preferences]
                return {"response": " ".join(hints) or "All right."}

    def _searched(self, heard: str) -> dict[str, JsonValue]:
        aspects = [aspect for aspect in ASPECT_OF_INITIAL.values() if aspect in self._data]
        matching = [aspect for aspect in aspects if heard.strip() == request(self._data, aspect)]
        if not matching:
            return {"alignment_judgement": "False"}
        return {"alignment_judgement": "True", "alignment_aspect": matching[0]}

    def _asked(self, heard: str, available: Sequence[str]) -> dict[str, JsonValue]:
        asked = [wish.name for wish in self._wishes if wish.question == heard.strip()]
        if open_wishes := [name for name in asked if name in available]:
            return {"type": "2", "preference_id": open_wishes[0]}
        if asked:
            return {"type": "3"}
        return {"type": "4" if "any preferences" in heard else "1"}


def scripted_user(task: Task) -> TravelUser:
    return TravelUser(task, ScriptedAnswerer(task), identity="scripted:travel_user")


# -- agent ------------------------------------------------------------------------------------------------------------


class ScriptedTravelAgent:
    """Implements `rollouts.protocols.Policy`. What it does next is drawn from what it has said so far."""

    def __init__(self, task: Task, *, errors: TravelErrors) -> None:
        self._data: Mapping[str, Any] = task.data
        self._wishes = wishes(task.data)
        self._errors = errors

    @property
    def identity(self) -> str:
        return "scripted:travel_agent"

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """A critic's objection makes it do the right thing."""
        drawn = 1.0 if feedback else _chance(seed, "mistake")
        aspect = next(iter(self._open(conversation)), None)
        if aspect is None:
            return Draft(text="Everything is booked. Have a good trip!")
        said = [message.text for message in conversation if isinstance(message, AssistantMessage)]
        if not self._shown(aspect, conversation) and sum(self._is_search(aspect, text) for text in said) < MAX_SEARCHES:
            return self._search(aspect, sloppy=drawn < self._errors.sloppy_search)
        unasked = [wish for wish in self._wishes if wish.aspect == aspect and wish.question not in said]
        if not unasked or drawn < self._errors.early_choice:
            return self._recommend(aspect, unasked=len(unasked), seed=seed, careful=bool(feedback), said=said)
        if drawn > 1 - self._errors.vague_question and not feedback:
            return Draft(text=VAGUE.format(aspect=aspect))
        return Draft(text=unasked[0].question)

    def _open(self, conversation: Conversation) -> Iterator[str]:
        """Aspects without a recommendation."""
        initials = {
            str(call.arguments.get("option_id"))[:1]
            for message in conversation
            if isinstance(message, AssistantMessage)
            for call in message.tool_calls
        }
        done = {ASPECT_OF_INITIAL.get(initial) for initial in initials}
        return (aspect for aspect in self._data["dimensions"] if aspect not in done)

    def _shown(self, aspect: str, conversation: Conversation) -> bool:
        best = f'"{self._data[aspect]["best_id"]}"'
        return any(best in message.text for message in conversation if isinstance(message, UserMessage))

    def _is_search(self, aspect: str, text: str) -> bool:
        return text.startswith(f"{SEARCH} {aspect}")

    def _search(self, aspect: str, *, sloppy: bool) -> Draft:
        return Draft(text=f"{SEARCH} {aspect}" if sloppy else request(self._data, aspect))

    def _recommend(self, aspect: str, *, unasked: int, seed: int, careful: bool, said: Sequence[str]) -> Draft:
        described, drawn = self._data[aspect], 0.0 if careful else _chance(seed, "choice")
        of_aspect = sum(wish.aspect == aspect for wish in self._wishes)
        known = 1 - unasked / of_aspect if of_aspect else 1.0
        others = [name for name in described["correct_ids"] if name != described["best_id"]]
        if drawn > 1 - self._errors.wrong_choice:
            choice = f"{described['best_id'][0]}0"
        elif drawn < known or not others:
            choice = described["best_id"]
        else:
            choice = others[0]
        call = ToolCall(call_id=f"call_{len(said)}", name=ANSWER.name, arguments={"option_id": choice})
        return Draft(text="", tool_calls=(call,))


def _chance(seed: int, what: str) -> float:
    return derive_seed(seed, what) / float(1 << SEED_BITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedTravelCasting:
    """Implements `rollouts.protocols.Casting`. Picklable, as workers get it."""

    errors: TravelErrors
    critic: Critic

    def cast(self, task: Task) -> Cast:
        return Cast(actor=ScriptedTravelAgent(task, errors=self.errors), user=scripted_user(task), critic=self.critic)

    async def close(self) -> None:
        """Nothing is held open."""
