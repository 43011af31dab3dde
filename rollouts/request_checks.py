"""Requests that cannot be carried out are the policy's mistake, and named before anything of their round is played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import assert_never

from rollouts.episode import Episode, Review, Revise, Spend
from rollouts.errors import UsageError
from rollouts.fork_views import AskCritic, OpenFork, PlayBranch, PlayRevised, PlayTrunk, Request
from rollouts.tree import Fork, step_path


def check_round(
    requests: Sequence[Request],
    *,
    trunks: Mapping[str, Episode],
    forks: Mapping[str, Fork],
    reviews: Mapping[tuple[str, int], tuple[Review, Spend]],
) -> None:
    """UsageError for a request about what does not exist. `trunks` may hold branches too: they cannot be forked."""
    for request in requests:
        _check(request, trunks, forks, reviews)
    opened = Counter((made.episode_path, made.step) for made in requests if isinstance(made, OpenFork))
    if twice := [step_path(*place) for place, count in opened.items() if count > 1]:
        raise UsageError(
            f"a round may open a fork once, got several OpenFork of {', '.join(twice)}; ask for the widest one"
        )


def _check(
    request: Request,
    trunks: Mapping[str, Episode],
    forks: Mapping[str, Fork],
    reviews: Mapping[tuple[str, int], tuple[Review, Spend]],
) -> None:
    match request:
        case PlayTrunk(index=index):
            _at_least(0, index, "PlayTrunk.index")
        case OpenFork():
            _check_fork(request, trunks)
        case PlayBranch(fork_path=path, action=action, rollout=rollout):
            _check_action(path, action, forks, request)
            _at_least(0, rollout, "PlayBranch.rollout")
        case AskCritic(fork_path=path, action=action):
            _check_action(path, action, forks, request)
        case PlayRevised(fork_path=path, action=action, rollout=rollout):
            _check_action(path, action, forks, request)
            _at_least(0, rollout, "PlayRevised.rollout")
            _check_critique(request, reviews)
        case _:
            assert_never(request)


def _check_fork(request: OpenFork, trunks: Mapping[str, Episode]) -> None:
    trunk = trunks.get(request.episode_path)
    if trunk is None or "." in request.episode_path:
        raise UsageError(f"only a trunk that was played can be forked, got {request!r}; play it first")
    if not 0 <= request.step < len(trunk.steps):
        raise UsageError(
            f"a fork needs a step that was taken: {request.episode_path} has {len(trunk.steps)} (0 to {len(trunk.steps) - 1}) "
            f"and is finished after them, got step {request.step}"
        )
    _at_least(1, request.width, "OpenFork.width")
    _at_least(1, request.max_draws, "OpenFork.max_draws")


def _check_action(path: str, action: int, forks: Mapping[str, Fork], request: Request) -> None:
    fork = forks.get(path)
    if fork is None:
        raise UsageError(f"there is no fork {path}, so {request!r} cannot be served; ask for OpenFork first")
    if not 0 <= action < len(fork.actions):
        raise UsageError(f"the fork {path} has {len(fork.actions)} actions, got {request!r}; actions count from 0")


def _check_critique(request: PlayRevised, reviews: Mapping[tuple[str, int], tuple[Review, Spend]]) -> None:
    said = reviews.get((request.fork_path, request.action))
    if said is None or not isinstance(said[0].verdict, Revise):
        raise UsageError(
            f"a revision needs a critique of action {request.action} of {request.fork_path}, and there is none; ask for AskCritic, "
            "and for PlayRevised only where ActionView.critique is set"
        )


def _at_least(least: int, number: int, name: str) -> None:
    if number < least:
        raise UsageError(f"{name} must be at least {least}, got {number}")
