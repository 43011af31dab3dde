"""What one arm came to, and the whole evaluation: every trial counts once, as solved, as failed, or as missing with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from labeling.evaluation.paired import Comparison, compare
from labeling.evaluation.passes import PassEstimate, pass_estimates
from labeling.evaluation.resampling import Resampling
from labeling.evaluation.trials import Missing, Scored, Trial, scored
from rollouts.episode import Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class PerEpisode:
    """Means over the episodes that have a return; those that broke off would make them look cheap."""

    revisions: float
    actor_calls: float
    user_calls: float
    critic_calls: float
    judge_calls: float
    tokens: float
    # prompt and completion


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    arm: str
    num_trials: int
    num_solved: int
    failed: Mapping[str, int]
    # stop reason → trials with a return that did not solve their task
    missing: Mapping[str, int]
    # reason → trials without a return
    passes: tuple[PassEstimate, ...]
    # by ascending k, the first being 1
    mean_return: float | None
    # None without a return
    per_episode: PerEpisode | None
    # likewise
    spend: Spend
    # of all trials, the missing ones included as far as they were played

    @property
    def num_scored(self) -> int:
        return self.num_solved + sum(self.failed.values())

    @property
    def cost_per_solved_usd(self) -> float | None:
        """What all episodes cost, over the number of those that solved their task.

        None when a cost is unknown or nothing was solved.
        """
        if self.spend.cost_usd is None or not self.num_solved:
            return None
        return self.spend.cost_usd / self.num_solved


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    # of every other arm with the baseline, in the order of the arms


def evaluated(
    arms: Mapping[str, Sequence[Trial]], *, baseline: str, num_trials: int, resampling: Resampling
) -> Findings:
    """`num_trials`: planned for each task. KeyError when the baseline is no arm."""
    against = arms[baseline]
    return Findings(
        arms=tuple(
            summarise(arm, trials, num_trials=num_trials, resampling=resampling) for arm, trials in arms.items()
        ),
        comparisons=tuple(
            compare(arm, trials, baseline=baseline, against=against, resampling=resampling)
            for arm, trials in arms.items()
            if arm != baseline
        ),
    )


def summarise(arm: str, trials: Sequence[Trial], *, num_trials: int, resampling: Resampling) -> ArmSummary:
    """`num_trials`: planned for each task."""
    known = scored(trials)
    return ArmSummary(
        arm=arm,
        num_trials=len(trials),
        num_solved=sum(result.solved for _, result in known),
        failed=_counted(result.stop for _, result in known if not result.solved),
        missing=_counted(trial.result.reason for trial in trials if isinstance(trial.result, Missing)),
        passes=pass_estimates(trials, num_trials=num_trials, resampling=resampling),
        mean_return=fsum(result.returned for _, result in known) / len(known) if known else None,
        per_episode=_per_episode(known),
        spend=sum((trial.spend for trial in trials), Spend()),
    )


def _per_episode(known: Sequence[tuple[Trial, Scored]]) -> PerEpisode | None:
    if not known:
        return None
    spend = sum((trial.spend for trial, _ in known), Spend())
    return PerEpisode(
        revisions=sum(trial.revisions for trial, _ in known) / len(known),
        actor_calls=spend.actor_calls / len(known),
        user_calls=spend.user_calls / len(known),
        critic_calls=spend.critic_calls / len(known),
        judge_calls=spend.judge_calls / len(known),
        tokens=spend.tokens / len(known),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    """The most frequent first, then by name."""
    return dict(sorted(Counter(names).items(), key=lambda entry: (-entry[1], entry[0])))
