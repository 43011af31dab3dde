"""The scripted actor over the shop: perfect without mistakes, a function of the conversation, a known distribution."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scripted import PERFECT, ErrorKind, ErrorRates
from rollouts.episode import (
    AssistantMessage,
    Draft,
    Finished,
    StopReason,
    Task,
    ToolMessage,
    UserMessage,
)
from rollouts.estimates import jeffreys_interval
from rollouts.identity import action_key
from tests.exact_values import ExactValues
from tests.scripted.plays import SOMETIMES, cast_for, conversation, places, play, play_on, value
from tests.scripted.shop import CANCEL, FIND, TASKS, ShopEnvironment, shop_task

SHOP = ShopEnvironment()
by_task = pytest.mark.parametrize("task", TASKS, ids=[task.task_id for task in TASKS])


@by_task
async def test_an_actor_without_mistakes_solves_every_task(task: Task) -> None:
    cast, _ = cast_for(task)
    assert [value(await play(SHOP, cast, task, seed=seed)) for seed in range(5)] == [1.0] * 5


@by_task
async def test_a_conversation_has_both_sides_and_an_end(task: Task) -> None:
    cast, _ = cast_for(task)
    played = await play(SHOP, cast, task, seed=0)
    stop = StopReason.TRANSFER if task.task_id == "human" else StopReason.USER_STOP
    assert isinstance(played.episode.outcome, Finished) and played.episode.outcome.stop is stop
    speakers = {type(message) for message in conversation(played)}
    assert {UserMessage, AssistantMessage} <= speakers


@by_task
async def test_probabilities_sum_to_one_and_actions_are_distinct_in_every_state(task: Task) -> None:
    cast, actor = cast_for(task, errors=SOMETIMES)
    briefing = SHOP.briefing(task)
    async for state in places(SHOP, cast, task, num_plays=30):
        for feedback in ((), ("That is wrong.",), ("I am not convinced by this step.",)):
            outcomes = actor.outcomes(state.conversation, briefing, feedback)
            assert math.isclose(sum(probability for probability, _ in outcomes), 1.0)
            assert len({action_key(draft) for _, draft in outcomes}) == len(outcomes)
            assert min(probability for probability, _ in outcomes) > 0


async def test_there_are_several_actions_to_compare_at_every_write() -> None:
    task = TASKS[0]
    cast, actor = cast_for(task, errors=SOMETIMES)
    found: dict[str, int] = {}
    async for state in places(SHOP, cast, task, num_plays=1):
        outcomes = actor.outcomes(state.conversation, SHOP.briefing(task))
        found[type(state.conversation[-1]).__name__ + outcomes[0][1].text[:6]] = len(outcomes)
    assert found["ToolMessageBefore"] >= 6  # the question before the write
    assert found["UserMessage"] >= 3  # the write itself


async def test_act_draws_from_the_outcomes() -> None:
    task = TASKS[1]
    cast, actor = cast_for(task, errors=SOMETIMES)
    briefing, num_seeds = SHOP.briefing(task), 2000
    async for state in places(SHOP, cast, task, num_plays=1):
        expected = {action_key(draft): p for p, draft in actor.outcomes(state.conversation, briefing)}
        drawn = [action_key(await actor.act(state.conversation, briefing, seed=seed)) for seed in range(num_seeds)]
        assert set(drawn) <= set(expected)
        for key, probability in expected.items():
            interval = jeffreys_interval(drawn.count(key), num_seeds, level=0.9999)
            assert interval.lower <= probability + 1e-12 and probability - 1e-12 <= interval.upper


@given(seed=st.integers(0, 2**53 - 1), index=st.integers(0, len(TASKS) - 1))
async def test_equal_seeds_give_equal_plays_by_actors_that_share_nothing(seed: int, index: int) -> None:
    task = TASKS[index]
    first, again = [await play(SHOP, cast_for(task, errors=SOMETIMES)[0], task, seed=seed) for _ in range(2)]
    assert conversation(first) == conversation(again)


async def test_seeds_make_plays_differ() -> None:
    cast, _ = cast_for(TASKS[1], errors=SOMETIMES)
    assert len({repr(conversation(await play(SHOP, cast, TASKS[1], seed=seed))) for seed in range(20)}) > 10


@by_task
async def test_a_fresh_actor_goes_on_from_any_state_as_the_one_that_led_there(task: Task) -> None:
    cast, actor = cast_for(task, errors=SOMETIMES)
    briefing = SHOP.briefing(task)
    async for state in places(SHOP, cast, task, num_plays=10):
        _, fresh = cast_for(task, errors=SOMETIMES)
        assert fresh.outcomes(state.conversation, briefing) == actor.outcomes(state.conversation, briefing)


@by_task
async def test_every_play_ends_whatever_was_forced_on_the_way(task: Task) -> None:
    cast, actor = cast_for(task, errors=SOMETIMES)
    odd = Draft(text="Let me think about this for a moment.")
    async for state in places(SHOP, cast, task, num_plays=3):
        for _, draft in (*actor.outcomes(state.conversation, SHOP.briefing(task)), (0.0, odd)):
            outcome = (await play_on(SHOP, cast, task, state, draft, seed=1)).episode.outcome
            assert isinstance(outcome, Finished) and outcome.stop.terminated


async def test_a_mistake_forced_on_a_perfect_actor_is_its_only_one() -> None:
    task = TASKS[1]
    _, erring = cast_for(task, errors=SOMETIMES)
    cast, actor = cast_for(task)
    briefing = SHOP.briefing(task)
    forced = 0
    async for state in places(SHOP, cast, task, num_plays=1):
        for option, (_, draft) in zip(
            erring.options(state.conversation, briefing),
            erring.outcomes(state.conversation, briefing),
            strict=True,
        ):
            if option.kind is None:
                continue
            forced += 1
            played = await play_on(SHOP, cast, task, state, draft, seed=0)
            for later in played.states[1:]:
                assert [o.kind for o in actor.options(later.conversation, briefing)] == [None]
    assert forced > 10


async def test_every_kind_of_mistake_occurs_and_each_that_matters_costs_value() -> None:
    losses: dict[ErrorKind, list[float]] = {kind: [] for kind in ErrorKind}
    for task in TASKS:
        cast, actor = cast_for(task, errors=SOMETIMES)
        briefing = SHOP.briefing(task)
        exact = ExactValues(SHOP, cast, task)
        async for state in places(SHOP, cast, task, num_plays=2):
            options = actor.options(state.conversation, briefing)
            drafts = [draft for _, draft in actor.outcomes(state.conversation, briefing)]
            at = (state.conversation, state.environment, 30 - state.step)
            right = exact.action_value(*at, drafts[0])
            for option, draft in zip(options[1:], drafts[1:], strict=True):
                assert option.kind is not None
                losses[option.kind].append(right - exact.action_value(*at, draft))
    assert all(losses.values())
    mean = {kind: sum(found) / len(found) for kind, found in losses.items()}
    harmless = {ErrorKind.USELESS_READ}
    assert all(mean[kind] > 0.01 for kind in ErrorKind if kind not in harmless), list(mean.values())
    assert abs(mean[ErrorKind.USELESS_READ]) < 0.01


async def test_a_refused_call_is_followed_by_the_right_one() -> None:
    task = shop_task("cancel", FIND, CANCEL)
    cast, _ = cast_for(task, errors=replace(PERFECT, wrong_argument=1.0, wrong_tool=0.5))
    refused = 0
    for seed in range(40):
        played = await play(SHOP, cast, task, seed=seed)
        for before, step in itertools.pairwise(played.episode.steps):
            answer = before.added[-1]
            if isinstance(answer, ToolMessage) and answer.is_error:
                refused += 1
                assert step.action.tool_calls[0].arguments == CANCEL["arguments"]
                assert value(played) == 1.0
    assert refused > 5


async def test_gold_that_is_refused_is_not_tried_again() -> None:
    task = TASKS[6]
    cast, _ = cast_for(task)
    calls = [step for step in (await play(SHOP, cast, task, seed=0)).episode.steps if step.action.tool_calls]
    assert [step.action.tool_calls[0].name for step in calls] == ["find_user"] * 2 + ["cancel_order"] * 2


async def test_founded_feedback_makes_the_actor_drop_its_mistake() -> None:
    task = TASKS[1]
    cast, actor = cast_for(task, errors=SOMETIMES)
    briefing = SHOP.briefing(task)
    async for state in places(SHOP, cast, task, num_plays=1):
        right = actor.right_draft(state.conversation, briefing)
        before = dict(_by_key(actor.outcomes(state.conversation, briefing)))[action_key(right)]
        after = dict(_by_key(actor.outcomes(state.conversation, briefing, ("This is not right.",))))[action_key(right)]
        assert math.isclose(after, 0.8 + 0.2 * before)


async def test_unfounded_feedback_misleads_the_actor() -> None:
    task = TASKS[1]
    cast, actor = cast_for(task, errors=SOMETIMES)
    briefing = SHOP.briefing(task)
    unfounded = ("I am not convinced by this step. Please think of another.",)
    misled = 0
    async for state in places(SHOP, cast, task, num_plays=1):
        right = action_key(actor.right_draft(state.conversation, briefing))
        before = dict(_by_key(actor.outcomes(state.conversation, briefing)))
        after = dict(_by_key(actor.outcomes(state.conversation, briefing, unfounded)))
        misled += after[right] < before[right]
        assert math.isclose(after[right], before[right] * (0.7 if len(before) > 1 else 1.0))
    assert misled == 3  # at the questions before the two writes, and at the closing


@given(rate=st.floats().filter(lambda rate: not 0 <= rate <= 1))
def test_a_rate_that_is_no_probability_is_refused_by_name(rate: float) -> None:
    with pytest.raises(ValueError, match="wrong_tool must be a probability"):
        ErrorRates(wrong_tool=rate)


async def test_information_that_the_actor_said_by_accident_is_part_of_its_memory() -> None:
    task = shop_task("accident", info=["Ada"])
    _, actor = cast_for(task)
    opening = UserMessage(text="Hello.")
    plain, telling = (
        actor.memory((opening, AssistantMessage(text=text)), SHOP.briefing(task)) for text in ("Hm.", "Hm, ADA.")
    )
    assert plain != telling


def _by_key(outcomes: tuple[tuple[float, Draft], ...]) -> list[tuple[bytes, float]]:
    return [(action_key(draft), probability) for probability, draft in outcomes]
