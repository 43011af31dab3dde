"""From goals to a task in τ²'s schema. The same goals, opening and chance give the same record, whose id is its content's."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from actors.environments.blueprints.goals import Blueprint, C, Goal, Opening, Shop, call
from actors.environments.blueprints.wording import joined, pick
from rollouts.episode import JsonValue, Task, ToolCall
from rollouts.identity import canonical_json, digest

SPLIT = "train"
ID_BYTES = 8
NUM_GOALS, NUM_GOALS_WEIGHTS = (1, 2, 3), (45, 35, 20)
DRAWS_PER_GOAL = 4
# many draws cannot be (no such order, nothing in stock); so many are tried for each goal wanted
LONGEST = 28
# actor steps that a gold play may take, a confirmation and a second thought at each write included; episodes have 30
MANNERS = (
    "You are polite and come to the point.",
    "You are in a hurry and keep your messages short.",
    "You are a little nervous and like to have things confirmed.",
    "You are friendly and chatty.",
    "You are matter-of-fact and do not like small talk.",
    "You give details only when you are asked for them.",
    "You are tired after a long day, but patient.",
)
AGREEMENTS = (
    "When the agent sums up a change just as you want it, you say yes.",
    "You confirm what the agent proposes if it is what you asked for, and correct it if it is not.",
)
ENDINGS = (
    "You do not end the conversation before everything you came for is done, answered or refused.",
    "You stay on the line until each of your requests has been dealt with.",
)


def drawn_goals(shop: Shop[C], customer: str, rng: random.Random) -> tuple[Goal, ...]:
    """One to three that concern different records; none where the customer can want nothing. A handover comes last."""
    wanted = rng.choices(NUM_GOALS, NUM_GOALS_WEIGHTS)[0]
    goals: list[Goal] = []
    for _ in range(wanted * DRAWS_PER_GOAL):
        goal = shop.goal_of(customer, rng)
        if goal and all(_compatible(goal, other) for other in goals):
            goals.append(goal)
        if len(goals) == wanted:
            break
    return tuple(sorted(goals, key=lambda goal: bool(goal.handover)))


def _compatible(goal: Goal, other: Goal) -> bool:
    """A handover ends the conversation: there is one at most, and nothing is left to be told after it."""
    if goal.subjects & other.subjects:
        return False
    return not ((goal.handover and (other.handover or other.info)) or (other.handover and goal.info))


def compose(shop: Shop[C], customer: str, goals: Sequence[Goal], rng: random.Random) -> Blueprint:
    opening = shop.opening_of(customer, rng)
    calls = gold(opening, goals)
    asked = joined([goal.request for goal in goals], rng)
    record: dict[str, JsonValue] = {
        "description": {
            "purpose": f"Generated: {', '.join(goal.kind for goal in goals)}.",
            "relevant_policies": None,
            "notes": None,
        },
        "user_scenario": {"persona": None, "instructions": _instructions(shop.domain, opening, goals, asked, rng)},
        "initial_state": None,
        "evaluation_criteria": {
            "actions": _actions(calls),
            "communicate_info": [info for goal in goals for info in goal.info],
            "nl_assertions": [goal.refused for goal in goals if goal.refused] or None,
            "reward_basis": ["DB", "COMMUNICATE"],
        },
    }
    return Blueprint(customer=customer, task=as_task(shop.domain, record), goals=tuple(goals), gold=calls)


def as_task(domain: str, record: Mapping[str, JsonValue]) -> Task:
    """The task of a record without an id."""
    task_id = content_id(domain, record)
    return Task(task_id=task_id, domain=domain, split=SPLIT, data={"id": task_id, **record})


def content_id(domain: str, record: Mapping[str, JsonValue]) -> str:
    """Of a task's record, whatever id it has: "retail-bp-" and 16 hex digits."""
    content = {key: value for key, value in record.items() if key != "id"}
    return f"{id_prefix(domain)}{digest(canonical_json(content).encode())[:ID_BYTES].hex()}"


def id_prefix(domain: str) -> str:
    return f"{domain}-bp-"


def gold(opening: Opening, goals: Iterable[Goal]) -> tuple[ToolCall, ...]:
    """Who the customer is, then each goal's reads and writes; what has been read is not read again."""
    calls = list(opening.reads)
    for goal in goals:
        calls += [read for read in goal.reads if read not in calls]
        calls += goal.writes
        if goal.handover:
            calls.append(call("transfer_to_human_agents", summary=goal.handover))
    return tuple(calls)


def _actions(calls: Iterable[ToolCall]) -> list[JsonValue]:
    return [
        {"action_id": str(index), "name": made.name, "arguments": dict(made.arguments), "info": None}
        for index, made in enumerate(calls)
    ]


def _instructions(
    domain: str, opening: Opening, goals: Sequence[Goal], asked: str, rng: random.Random
) -> dict[str, JsonValue]:
    known = dict.fromkeys([opening.known, *(fact for goal in goals for fact in goal.known)])
    unknown = dict.fromkeys([*opening.unknown, *(fact for goal in goals for fact in goal.unknown)])
    conduct = dict.fromkeys(answer for goal in goals for answer in goal.conduct)
    agreement = [pick(rng, *AGREEMENTS)] if any(goal.writes for goal in goals) else []
    return {
        "domain": domain,
        "reason_for_call": asked,
        "known_info": " ".join(known),
        "unknown_info": " ".join(unknown) or None,
        "task_instructions": " ".join([pick(rng, *MANNERS), *conduct, *agreement, pick(rng, *ENDINGS)]),
    }
