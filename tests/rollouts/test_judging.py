"""What a ruling makes of a return: the rule, and whom it asks when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.budget import Budget
from rollouts.episode import AssistantMessage, Conversation, Reward, Spend, Usage
from rollouts.errors import FailureKind, RolloutError
from rollouts.judging import ASSERTED, judged, with_ruling, worth_judging
from rollouts.ledger import Ledger, Turn
from rollouts.meter import SpendCounter
from rollouts.protocols import Judge, NoJudge, Ruling
from rollouts.receipt import Progress

TALK: Conversation = (AssistantMessage(text="Goodbye."),)
USED = Usage(prompt_tokens=100, completion_tokens=5, cost_usd=0.5)
OTHERS = ("DB", "COMMUNICATE", "ENV_ASSERTION")


@dataclass(kw_only=True)
class Bench:
    """A judge that says what it is told to, and remembers what it was asked."""

    met: tuple[bool, ...] | None = (True,)
    error: RolloutError | None = None
    silent: bool = False
    asked: list[tuple[tuple[str, ...], Conversation, int]] = field(default_factory=list)

    async def judge(self, assertions: Sequence[str], conversation: Conversation, *, seed: int) -> Ruling:
        self.asked.append((tuple(assertions), conversation, seed))
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return Ruling(met=self.met, usage=USED)


def rewarded(*, value: float = 1.0, in_basis: bool, assertions: tuple[str, ...] = ("It is so.",)) -> Reward:
    basis = ("DB", ASSERTED) if in_basis else ("DB",)
    return Reward(
        value=value, basis=basis, parts={"DB": value}, not_evaluated=(ASSERTED, "OTHER"), assertions=assertions
    )


def _turn(spending: SpendCounter) -> Turn:
    return Turn(Ledger(), path="t0", step=3, seed_for=lambda part, attempt: 7, spending=spending)


async def _judged(reward: Reward, judge: Judge, *, timeout_s: float = 30.0) -> tuple[Reward, int]:
    """The reward, and how many calls were counted."""
    spending = SpendCounter()
    after = await judged(reward, TALK, judge=judge, timeout_s=timeout_s, turn=_turn(spending))
    return after, spending.spend().judge_calls


# -- the rule ---------------------------------------------------------------------------------------------------------


@st.composite
def rulings(draw: st.DrawFn) -> tuple[Reward, list[bool]]:
    others = draw(st.lists(st.sampled_from(OTHERS), unique=True))
    parts = {part: draw(st.floats(min_value=0.0, max_value=1.0)) for part in others}
    met = draw(st.lists(st.booleans(), min_size=1, max_size=5))
    reward = Reward(
        value=draw(st.floats(min_value=0.0, max_value=1.0)),
        basis=(*others, ASSERTED) if draw(st.booleans()) else tuple(others),
        parts=parts,
        not_evaluated=tuple(draw(st.permutations([ASSERTED, "OTHER"]))),
        assertions=tuple(map(str, range(len(met)))),
    )
    return reward, met


@given(rulings())
def test_the_part_is_1_exactly_when_every_assertion_is_met(case: tuple[Reward, list[bool]]) -> None:
    reward, met = case
    assert with_ruling(reward, met).parts[ASSERTED] == (0.0 if False in met else 1.0)


@given(rulings())
def test_the_return_is_multiplied_only_where_the_part_is_in_the_basis(case: tuple[Reward, list[bool]]) -> None:
    reward, met = case
    lost = ASSERTED in reward.basis and False in met
    assert with_ruling(reward, met).value == (0.0 if lost else reward.value)


@given(rulings())
def test_a_ruling_changes_nothing_else(case: tuple[Reward, list[bool]]) -> None:
    reward, met = case
    after = with_ruling(reward, met)
    assert {part: value for part, value in after.parts.items() if part != ASSERTED} == reward.parts
    assert after.not_evaluated == ("OTHER",)
    assert (after.basis, after.assertions) == (reward.basis, reward.assertions)


@pytest.mark.parametrize("met", [(), (True, True)])
def test_a_ruling_on_other_assertions_than_the_tasks_is_a_bug(met: tuple[bool, ...]) -> None:
    with pytest.raises(AssertionError, match="rulings on 1 assertions"):
        with_ruling(rewarded(in_basis=True), met)


@pytest.mark.parametrize(
    ("reward", "worth"),
    [
        (rewarded(in_basis=True), True),
        (rewarded(in_basis=True, value=0.25), True),
        (rewarded(in_basis=True, value=0.0), False),
        (rewarded(in_basis=False, value=0.0), True),
        (rewarded(in_basis=True, assertions=()), False),
        (rewarded(in_basis=False, assertions=()), False),
    ],
)
def test_a_judge_is_worth_asking_when_its_answer_could_tell_something(reward: Reward, worth: bool) -> None:
    assert worth_judging(reward) == worth


# -- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_basis", "met", "value"), [(True, True, 1.0), (True, False, 0.0), (False, False, 1.0)])
async def test_the_judge_is_asked_once_and_its_call_is_counted(in_basis: bool, met: bool, value: float) -> None:
    bench, reward = Bench(met=(met,)), rewarded(in_basis=in_basis)
    after, calls = await _judged(reward, bench)
    assert (after.value, after.parts[ASSERTED], after.not_evaluated) == (value, float(met), ("OTHER",))
    assert bench.asked == [(("It is so.",), TALK, 7)]
    assert calls == 1


@pytest.mark.parametrize(
    "reward", [rewarded(in_basis=True, value=0.0), rewarded(in_basis=True, assertions=())], ids=["lost", "no assertion"]
)
async def test_nobody_is_asked_where_nothing_depends_on_it(reward: Reward) -> None:
    bench = Bench(met=())
    assert await _judged(reward, bench) == (reward, 0)
    assert bench.asked == []


@pytest.mark.parametrize("in_basis", [True, False])
async def test_without_a_judge_the_part_stays_not_evaluated_and_no_call_is_counted(in_basis: bool) -> None:
    reward = rewarded(in_basis=in_basis)
    assert await _judged(reward, NoJudge()) == (reward, 0)


BROKEN = RolloutError("the endpoint broke", kind=FailureKind.INFRASTRUCTURE)


@pytest.mark.parametrize(
    ("bench", "why", "calls"),
    [
        (Bench(error=BROKEN), "infrastructure: the endpoint broke", 0),
        (Bench(met=None), "its answer could not be read", 1),
        (Bench(silent=True), r"no answer within 0\.01 s", 0),
    ],
    ids=["broken", "unreadable", "silent"],
)
async def test_without_a_ruling_a_return_that_hangs_on_it_is_unknown_and_any_other_stands(
    bench: Bench, why: str, calls: int
) -> None:
    beside = rewarded(in_basis=False)
    assert await _judged(beside, bench, timeout_s=0.01) == (beside, calls)
    with pytest.raises(RolloutError, match=why) as caught:
        await _judged(rewarded(in_basis=True), bench, timeout_s=0.01)
    assert (caught.value.kind, caught.value.fatal) == (FailureKind.JUDGE, False)


@pytest.mark.parametrize("in_basis", [True, False])
async def test_an_error_that_every_episode_would_meet_is_raised_as_it_is(in_basis: bool) -> None:
    wrong_key = RolloutError("wrong key", kind=FailureKind.REJECTED, fatal=True)
    with pytest.raises(RolloutError) as caught:
        await _judged(rewarded(in_basis=in_basis), Bench(error=wrong_key))
    assert caught.value is wrong_key


async def test_an_unreadable_answer_is_paid_for_all_the_same() -> None:
    spending = SpendCounter()
    with pytest.raises(RolloutError):
        await judged(rewarded(in_basis=True), TALK, judge=Bench(met=None), timeout_s=30.0, turn=_turn(spending))
    spend = spending.spend()
    assert (spend.judge_calls, spend.calls, spend.tokens, spend.cost_usd) == (1, 1, 105, 0.5)


def test_a_judges_calls_count_towards_a_budget() -> None:
    spent = Progress(spend=Spend(actor_calls=1) + Spend(judge_calls=1))
    assert Budget(calls=2).reached(spent.spend) == "limits.calls = 2"
    assert Budget(calls=3).reached(spent.spend) is None
