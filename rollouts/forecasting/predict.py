"""From the size of the trees to calls, tokens and money.

calls of a role  = turns × calls of a turn
prompt tokens    = calls × tokens of the first prompt + depth × growth        (depth: sum of the calls' step indices)
cost             = tokens × prices; unknown, never 0, where a price is missing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollouts.forecasting.estimate import Estimate, about, combined
from rollouts.forecasting.profiles import ASKED, ROLES, CallRates, Role
from rollouts.forecasting.tally import TreeTally

MILLION = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFigures:
    """What one call of a role takes. A stand-in's is all zeros."""

    prompt_tokens: float = 0.0
    # of a call at step 0
    tokens_per_step: float = 0.0
    # that the prompt grows by with every step
    completion_tokens: float = 0.0
    cached_share: float | None = None
    # of the prompt tokens; None: not known
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars per million tokens."""

    prompt: float
    completion: float
    cached: float | None = None
    # None: as the other prompt tokens


FREE = Prices(prompt=0.0, completion=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Standard deviations of logarithms (rollouts.forecasting.estimate)."""

    plays: float
    # how many calls there will be
    tokens: float
    # of a call
    seconds: float
    # of a call


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleForecast:
    """Of one role, or of all."""

    calls: Estimate
    prompt_tokens: Estimate
    completion_tokens: Estimate
    cached_tokens: Estimate | None
    # None: not known
    cost_usd: Estimate | None
    # None: no price is known

    @property
    def tokens(self) -> Estimate:
        """Prompt and completion together: they are long or short together."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return Estimate(
            low=prompt.low + completion.low,
            expected=prompt.expected + completion.expected,
            high=prompt.high + completion.high,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """Expected sums."""

    calls: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0
    cached: float | None = 0.0
    cost: float | None = 0.0

    def __add__(self, other: _Use) -> _Use:
        return _Use(
            calls=self.calls + other.calls,
            prompt=self.prompt + other.prompt,
            completion=self.completion + other.completion,
            cached=_sum(self.cached, other.cached),
            cost=_sum(self.cost, other.cost),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Of one role: how many, and how deep in their episodes."""

    num: float = 0.0
    depth: float = 0.0


def calls_of(tally: TreeTally, rates: CallRates) -> dict[Role, Calls]:
    """Every role, whether it is ever asked or not."""
    calls = dict.fromkeys(ROLES, Calls())
    for turn, taken in tally.turns.items():
        role, rate = ASKED[turn], rates[turn]
        before = calls[role]
        calls[role] = Calls(num=before.num + rate * taken.num, depth=before.depth + rate * taken.depth)
    return calls


def role_forecasts(
    calls: Mapping[Role, Calls],
    figures: Mapping[Role, RoleFigures],
    prices: Mapping[Role, Prices | None],
    *,
    doubt: Doubt,
) -> tuple[dict[Role, RoleForecast], RoleForecast]:
    """By role, and of all together. A role that is never asked costs nothing, whatever its price."""
    uses = {role: _use(made, figures[role], prices[role]) for role, made in calls.items()}
    total = sum(uses.values(), _Use())
    return {role: _forecast(use, doubt) for role, use in uses.items()}, _forecast(total, doubt)


def _use(calls: Calls, figures: RoleFigures, prices: Prices | None) -> _Use:
    if not calls.num:
        return _Use()
    prompt = max(0.0, calls.num * figures.prompt_tokens + calls.depth * figures.tokens_per_step)
    completion = calls.num * figures.completion_tokens
    cached = None if figures.cached_share is None and prompt else prompt * (figures.cached_share or 0.0)
    return _Use(
        calls=calls.num,
        prompt=prompt,
        completion=completion,
        cached=cached,
        cost=None if prices is None else _cost(prices, prompt, completion, cached or 0.0),
    )


def _cost(prices: Prices, prompt: float, completion: float, cached: float) -> float:
    of_cached = prices.prompt if prices.cached is None else prices.cached
    return ((prompt - cached) * prices.prompt + cached * of_cached + completion * prices.completion) / MILLION


def _forecast(use: _Use, doubt: Doubt) -> RoleForecast:
    of_tokens = combined(doubt.plays, doubt.tokens)
    return RoleForecast(
        calls=about(use.calls, doubt=doubt.plays),
        prompt_tokens=about(use.prompt, doubt=of_tokens),
        completion_tokens=about(use.completion, doubt=of_tokens),
        cached_tokens=None if use.cached is None else about(use.cached, doubt=of_tokens),
        cost_usd=None if use.cost is None else about(use.cost, doubt=of_tokens),
    )


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
