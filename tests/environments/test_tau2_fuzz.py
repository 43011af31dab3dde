"""Random calls on interleaved branches: ours and upstream's own code never disagree."""

from __future__ import annotations

import pytest

from actors.environments.tau2.domains import DOMAINS
from tests.environments.duel import Duel

pytestmark = pytest.mark.tau2

MOST = {"retail": 11, "airline": 11, "telecom": 38, "banking_knowledge": 17}


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_call_on_any_branch_tells_us_from_upstream(domain: str) -> None:
    _fight(domain, seed=1, calls=1_000, forks=100)


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_no_call_on_any_of_many_branches_tells_us_from_upstream(domain: str) -> None:
    _fight(domain, seed=2, calls=5_000, forks=500)


def _fight(domain: str, *, seed: int, calls: int, forks: int) -> None:
    duel = Duel(DOMAINS[domain], seed=seed)
    duel.play(calls=calls, forks=forks)
    verdicts = duel.settle()
    assert sum(duel.answers.values()) > calls
    assert verdicts[True] and verdicts[False], "the fuzz must reach both passing and failing ends"
    tools = {name for name, is_error in duel.answers if not is_error}
    assert len(tools) >= MOST[domain], f"the fuzz must make most tools work, not only {sorted(tools)}"
