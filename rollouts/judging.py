"""What a judge's ruling on natural-language assertions makes of a return.

The part "NL_ASSERTION" of a reward is 1 when every assertion is met and 0 otherwise (upstream: tau2-bench,
src/tau2/evaluator/evaluator_nl_assertions.py); it counts in the return only where the task's basis names it. It is evaluated by a
ruling or it stays among the parts that nobody judged: it is never guessed, and a return that hangs on it is then unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from rollouts.episode import Conversation, Reward
from rollouts.errors import FailureKind, RolloutError
from rollouts.ledger import Turn
from rollouts.protocols import Judge, NoJudge

ASSERTED = "NL_ASSERTION"
# tau2's name of the part, in bases and in rows


def worth_judging(reward: Reward) -> bool:
    """Whether a ruling would tell anything: not when nothing is asserted, nor when the part only multiplies a return of 0."""
    return bool(reward.assertions) and (reward.value > 0 or ASSERTED not in reward.basis)


def with_ruling(reward: Reward, met: Sequence[bool]) -> Reward:
    """The reward with the part evaluated. `met` has one entry for each of its assertions."""
    assert len(met) == len(reward.assertions), f"{len(met)} rulings on {len(reward.assertions)} assertions"
    passed = float(all(met))
    return replace(
        reward,
        value=reward.value * passed if ASSERTED in reward.basis else reward.value,
        parts={**reward.parts, ASSERTED: passed},
        not_evaluated=tuple(part for part in reward.not_evaluated if part != ASSERTED),
    )


async def judged(reward: Reward, conversation: Conversation, *, judge: Judge, timeout_s: float, turn: Turn) -> Reward:
    """The reward after the judge was asked once; unchanged where there is nothing to ask or nobody to ask.

    Without a ruling the part stays not evaluated, unless it is in the basis: then the return is unknown, a RolloutError(JUDGE).
    A fatal error of the judge's is raised as it is.
    """
    if isinstance(judge, NoJudge) or not worth_judging(reward):
        return reward
    try:
        async with asyncio.timeout(timeout_s):
            ruling = await turn.ask("judge", 0, lambda seed: judge.judge(reward.assertions, conversation, seed=seed))
    except TimeoutError:
        return _unjudged(reward, f"no answer within {timeout_s:g} s")
    except RolloutError as error:
        if error.fatal:
            raise
        return _unjudged(reward, f"{error.kind.value}: {error}")
    if ruling.met is None:
        return _unjudged(reward, "its answer could not be read")
    return with_ruling(reward, ruling.met)


def _unjudged(reward: Reward, why: str) -> Reward:
    if ASSERTED in reward.basis:
        message = f"the return hangs on {ASSERTED}, and the judge gave no ruling: {why}"
        raise RolloutError(message, kind=FailureKind.JUDGE)
    return reward
