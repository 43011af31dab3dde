"""Rewording by a model: it keeps every fact, or the template's text stays."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from actors.chat_client import ChatClient
from actors.environments.blueprints.goals import TEMPLATE, Blueprint
from actors.environments.blueprints.make import make_tasks, open_generator
from actors.environments.blueprints.paraphrase import (
    FAILURES_IN_A_ROW,
    ChatParaphraser,
    exact_facts,
    objection,
    reason_of,
    reworded,
)
from actors.environments.blueprints.task_file import read_tasks
from actors.environments.blueprints.verify import Verifier
from actors.environments.registry import environment
from rollouts.errors import DataError, UsageError
from tests.blueprints.samples import drawn
from tests.chat.process import RunningServer, running_server
from tests.chat.samples import endpoint

pytestmark = pytest.mark.tau2
CONCURRENCY = 4
LATENCY_S = 0.01
# so that calls overlap
With: TypeAlias = Callable[..., ChatParaphraser]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(latency_s=LATENCY_S) as running:
        yield running


@pytest.fixture
async def by(server: RunningServer) -> AsyncIterator[With]:
    """`by(model, **fields of Endpoint)`: a paraphraser over a client of its own."""
    clients: list[ChatClient] = []

    def writer(model: str, **fields: Any) -> ChatParaphraser:
        client = ChatClient(
            endpoint(**{"base_url": server.base_url, "model": model, **fields}), jitter=random.Random(0)
        )
        clients.append(client)
        return ChatParaphraser(client, concurrency=CONCURRENCY)

    yield writer
    for client in clients:
        await client.close()


async def all_of(paraphraser: ChatParaphraser, blueprints: tuple[Blueprint, ...]) -> list[Blueprint]:
    return [blueprint async for blueprint in reworded(blueprints, paraphraser)]


async def test_a_rewording_that_keeps_the_facts_replaces_the_request_and_nothing_else(by: With) -> None:
    world = environment("tau2", "retail")
    paraphraser = by("reword")
    for before in drawn("retail")[:10]:
        after = await paraphraser.reworded(before)
        assert reason_of(after) == f"Let us see what you are here for. {reason_of(before)}"
        assert after.wording == "chat:reword/temperature=1/max_tokens=1024"
        assert after.task.task_id != before.task.task_id == before.task.data["id"]
        assert without_reason(after) == without_reason(before)
        assert Verifier(world).objection(after) == ""
    assert paraphraser.counts == {"reworded": 10}


def without_reason(blueprint: Blueprint) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(blueprint.task.data))
    record.pop("id")
    record["user_scenario"]["instructions"].pop("reason_for_call")
    return record


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("reword-loosely", "a fact is lost"),
        ("reword-adding", "a fact is added"),
        ("reword-as-oneself", "not addressed to the customer"),
        ("reword-at-length", "too long"),
        ("empty", "empty"),
        ("text", "a fact is lost"),
    ],
)
async def test_any_other_rewording_leaves_the_template(by: With, model: str, problem: str) -> None:
    paraphraser = by(model)
    blueprint = next(found for found in drawn("retail") if "#W" in reason_of(found))
    assert await paraphraser.reworded(blueprint) == blueprint
    assert blueprint.wording == TEMPLATE
    assert paraphraser.counts == {problem: 1}


async def test_an_endpoint_that_fails_now_and_then_costs_no_task(by: With) -> None:
    paraphraser = by("storm", max_retries=0)
    few = drawn("retail")[: FAILURES_IN_A_ROW - 1]
    assert await all_of(paraphraser, few) == list(few)
    assert paraphraser.counts == {"no answer": len(few)}


async def test_an_endpoint_that_is_down_ends_it(by: With) -> None:
    with pytest.raises(DataError, match=rf"failed {FAILURES_IN_A_ROW} times in a row.*500"):
        await all_of(by("storm", max_retries=0), drawn("retail"))


async def test_an_endpoint_that_can_never_answer_ends_it_at_once(by: With) -> None:
    with pytest.raises(UsageError, match=r"paraphrasing cannot work: .*does not exist"):
        await all_of(by("unknown-model"), drawn("retail"))


async def test_the_order_is_kept_and_no_more_than_so_many_are_under_way(by: With, server: RunningServer) -> None:
    before = drawn("airline")
    model = "reword:in-order"
    after = await all_of(by(model), before)
    assert [without_reason(blueprint) for blueprint in after] == [without_reason(blueprint) for blueprint in before]
    asked = server.requests(model)
    assert asked.asked == len(before) and 1 < asked.most_open <= CONCURRENCY


async def test_a_file_says_of_every_task_who_worded_it(by: With, tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    generator = open_generator("airline", seed=0)
    made = await make_tasks(generator, count=8, out=out, force=False, paraphraser=by("reword"))
    assert made.count == len(read_tasks(out, environment("tau2", "airline"), domain="airline")) == 8
    wordings = {json.loads(line)["made"]["wording"] for line in out.read_text().splitlines()}
    assert wordings == {"chat:reword/temperature=1/max_tokens=1024"}


# -- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["retail", "airline"])
def test_a_text_keeps_its_own_facts_and_losing_any_number_or_name_is_seen(domain: str) -> None:
    for blueprint in drawn(domain):
        text, facts = reason_of(blueprint), exact_facts(blueprint)
        assert objection(text, text, facts) == ""
        for fact in facts:
            assert objection(text.replace(fact, "…"), text, facts) in ("a fact is lost", "a fact is added")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("You need 2 bags on ABC123 by 2024-05-20.", ""),
        ("By 2024-05-20, you need 2 bags for your trip ABC123!", ""),
        ("You need 3 bags on ABC123 by 2024-05-20.", "a fact is lost"),
        ("You need two bags on ABC123 by 2024-05-20.", "a fact is lost"),
        ("You need 2 bags on abc123 by 2024-05-20.", "a fact is lost"),
        ("You need 2 bags on ABC123 by 2024-05-21.", "a fact is lost"),
        ("You need 2 bags on ABC123 by 2024-05-20, at 9.", "a fact is added"),
        ("", "empty"),
    ],
)
def test_numbers_ids_and_dates_are_kept_to_the_letter(said: str, problem: str) -> None:
    assert objection(said, "You want 2 bags on ABC123 by 2024-05-20.", ["bags"]) == problem
