"""pass^k: the chance that k independent trials of one task all solve it, as a mean over tasks.

Estimated without bias by C(c, k) / C(n, k) from c solved of n trials: Yao, Shinn, Razavi, Narasimhan, "τ-bench: A
Benchmark for Tool-Agent-User Interaction in Real-World Domains", arXiv 2406.12045. A task with fewer than k trials that
have a return says nothing about pass^k and is left out of it, so the number of tasks may differ from one k to the next; it
stands with each estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from labeling.evaluation.resampling import SHARE, Estimate, Resampling, over_tasks
from labeling.evaluation.trials import Trial, solved_by_task

EVERY_K = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PassEstimate:
    k: int
    estimate: Estimate | None
    # None: no task has k trials with a return


def pass_hat(num_solved: int, num_trials: int, *, k: int) -> float:
    """The unbiased estimate of one task. ValueError unless 0 <= num_solved <= num_trials and 1 <= k <= num_trials."""
    if not 0 <= num_solved <= num_trials:
        raise ValueError(f"needs 0 to {num_trials} solved trials, got {num_solved}")
    if not 1 <= k <= num_trials:
        raise ValueError(f"pass^k needs k from 1 to the number of trials, {num_trials}; got {k}")
    return comb(num_solved, k) / comb(num_trials, k)


def told_ks(num_trials: int) -> list[int]:
    """The k that are told of so many trials per task: all up to EVERY_K, then each twice the last, and the greatest there is."""
    ks = list(range(1, min(num_trials, EVERY_K) + 1))
    while ks[-1] < num_trials:
        ks.append(min(2 * ks[-1], num_trials))
    return ks


def pass_estimates(trials: Sequence[Trial], *, num_trials: int, resampling: Resampling) -> tuple[PassEstimate, ...]:
    """pass^k for `told_ks` of the `num_trials` that were planned for each task."""
    tasks = solved_by_task(trials)
    return tuple(
        PassEstimate(
            k=k,
            estimate=over_tasks(
                [pass_hat(sum(solved), len(solved), k=k) for solved in tasks.values() if len(solved) >= k],
                resampling,
                scale=SHARE,
                place=f"pass^{k}",
            ),
        )
        for k in told_ks(num_trials)
    )
