"""Rewording a scenario by a model. Facts stay to the letter, or the template's text stays.

Only what the customer came for (`reason_for_call`) is reworded: what they know and how they answer must stay exact.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import Any, Protocol

from actors.chat_endpoint import Endpoint
from actors.chat_wire import ChatRequest, Reply
from actors.environments.blueprints.compose import as_task
from actors.environments.blueprints.goals import Blueprint
from rollouts.errors import DataError, RolloutError, UsageError
from rollouts.seeds import derive_seed

INSTRUCTIONS = """\
You reword what a customer wants from customer service. It is addressed to the customer ("You want …"); keep it so.
Say the same in other, natural words: nothing added, nothing left out, and in the same order.
These must stand in your text letter by letter:
{facts}
Answer with the reworded text alone."""
FAILURES_IN_A_ROW = 10
# of the endpoint, each after its own retries: it is then taken to be down
_TOKEN = re.compile(r"[#$]?\w(?:[\w.+@:-]*\w)?")
_FIRST_PERSON = re.compile(r"\b(I|I'm|my|mine)\b")
LONGEST_RATIO, LONGEST_EXTRA = 2, 200
# characters of a rewording, beyond which something was added


class Completer(Protocol):
    """What is needed of `ChatClient`."""

    @property
    def endpoint(self) -> Endpoint: ...

    async def complete(self, request: ChatRequest) -> Reply: ...


class Paraphraser(Protocol):
    concurrency: int
    # blueprints reworded at once, at most

    async def reworded(self, blueprint: Blueprint) -> Blueprint:
        """The same task in other words; the very same where no rewording is to be had."""


class NoParaphraser:
    concurrency = 1

    async def reworded(self, blueprint: Blueprint) -> Blueprint:
        return blueprint


class ChatParaphraser:
    """`counts` says what became of the texts so far."""

    def __init__(self, client: Completer, *, concurrency: int) -> None:
        self._client = client
        self.concurrency = concurrency
        self.counts: Counter[str] = Counter()
        self._failed = 0

    async def reworded(self, blueprint: Blueprint) -> Blueprint:
        """UsageError where no request can succeed, DataError where the endpoint seems to be down."""
        text = reason_of(blueprint)
        facts = exact_facts(blueprint)
        try:
            reply = await self._client.complete(_request(blueprint, text, facts))
        except RolloutError as error:
            self._note_failure(error)
            return blueprint
        self._failed = 0
        said = " ".join(reply.text.split())
        problem = objection(said, text, facts)
        self.counts[problem or "reworded"] += 1
        return blueprint if problem else with_reason(blueprint, said, wording=self._client.endpoint.identity)

    def _note_failure(self, error: RolloutError) -> None:
        self.counts["no answer"] += 1
        self._failed += 1
        if error.fatal:
            raise UsageError(f"paraphrasing cannot work: {error}") from error
        if self._failed >= FAILURES_IN_A_ROW:
            raise DataError(f"paraphrasing failed {self._failed} times in a row, the last time: {error}") from error


async def reworded(blueprints: Iterable[Blueprint], paraphraser: Paraphraser) -> AsyncGenerator[Blueprint, None]:
    """In the given order, with `paraphraser.concurrency` under way at once."""
    under_way: deque[asyncio.Task[Blueprint]] = deque()
    try:
        for blueprint in blueprints:
            under_way.append(asyncio.create_task(paraphraser.reworded(blueprint)))
            if len(under_way) >= paraphraser.concurrency:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


# -- texts ------------------------------------------------------------------------------------------------------------


def objection(said: str, text: str, facts: Iterable[str]) -> str:
    """Why a rewording cannot be used; empty where it can."""
    if not said:
        return "empty"
    if len(said) > LONGEST_RATIO * len(text) + LONGEST_EXTRA:
        return "too long"
    if _FIRST_PERSON.search(said):
        return "not addressed to the customer"
    kept, exact = set(_exact(said)), set(_exact(text))
    if exact - kept or not all(_stands(fact, said) for fact in facts):
        return "a fact is lost"
    return "a fact is added" if kept - exact else ""


def _exact(text: str) -> list[str]:
    """Ids, numbers, dates, house numbers, mail addresses: whatever has a digit in it."""
    return [token for token in _TOKEN.findall(text) if any(character.isdigit() for character in token)]


def _stands(fact: str, said: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(fact)}(?!\w)", said, re.IGNORECASE))


def exact_facts(blueprint: Blueprint) -> list[str]:
    """What must survive: the goals' facts, without articles, and everything with a digit in it."""
    told = [fact.removeprefix("the ").removeprefix("your ") for goal in blueprint.goals for fact in goal.facts]
    return list(dict.fromkeys([*told, *_exact(reason_of(blueprint))]))


def reason_of(blueprint: Blueprint) -> str:
    scenario: Any = blueprint.task.data["user_scenario"]
    return str(scenario["instructions"]["reason_for_call"])


def with_reason(blueprint: Blueprint, reason: str, *, wording: str) -> Blueprint:
    """The same task under another text, and so another id."""
    record: dict[str, Any] = {key: value for key, value in blueprint.task.data.items() if key != "id"}
    scenario = record["user_scenario"]
    instructions = {**scenario["instructions"], "reason_for_call": reason}
    record["user_scenario"] = {**scenario, "instructions": instructions}
    return replace(blueprint, task=as_task(blueprint.task.domain, record), wording=wording)


def _request(blueprint: Blueprint, text: str, facts: Iterable[str]) -> ChatRequest:
    told = "\n".join(f"- {fact}" for fact in facts)
    return ChatRequest(
        messages=[
            {"role": "system", "content": INSTRUCTIONS.format(facts=told)},
            {"role": "user", "content": text},
        ],
        tools=[],
        seed=derive_seed(0, "paraphrase", blueprint.task.task_id),
    )
