"""Random calls on interleaved branches: ours and upstream's own environment never disagree."""

from __future__ import annotations

import pytest

from tests.tau_bench.duel import Duel

pytestmark = pytest.mark.tau_bench
TOOLS = {"retail": 15, "airline": 13}
# of upstream's that must have worked at least once


@pytest.mark.parametrize("domain", TOOLS)
def test_no_call_on_any_branch_tells_us_from_upstream(domain: str) -> None:
    _fight(domain, seed=1, tasks=12, calls=1_500, forks=25)


@pytest.mark.slow
@pytest.mark.parametrize("domain", TOOLS)
def test_no_call_on_any_of_very_many_branches_tells_us_from_upstream(domain: str) -> None:
    _fight(domain, seed=2, tasks=24, calls=6_000, forks=550)


def _fight(domain: str, *, seed: int, tasks: int, calls: int, forks: int) -> None:
    duel = Duel(domain, seed=seed, tasks=tasks)
    duel.play(calls=calls, forks=forks)
    rewards = duel.settle()
    assert sum(duel.answers.values()) > calls
    assert rewards[1.0] and rewards[0.0], "the fuzz must reach both passing and failing ends"
    worked = {name for name, is_error in duel.answers if not is_error}
    assert len(worked) >= TOOLS[domain], f"the fuzz must make nearly every tool work, not only {sorted(worked)}"
    assert sum(count for (_, is_error), count in duel.answers.items() if not is_error) > calls / 4
