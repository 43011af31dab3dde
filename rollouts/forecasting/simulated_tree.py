"""Grow a tree by the fork policy itself in a world that knows counts and chances only, and count what it asked for.

Invariant: the policy sees of it what it would see of a real tree (`rollouts.tree_views` makes both views), so every policy can be
asked, a user's own too. What the world assumes:

- a play follows one of the task's recorded (or assumed) trunks; a branch goes on like one that is long enough to have got there;
- two drafts in one state agree, and the user answers alike, with given chances (`rollouts.forecasting.simulated_states`);
- a failing trunk lost everything at one step, any of them alike; a solved one gains value evenly from step to step.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import assert_never

from rollouts.episode import (
    Draft,
    Episode,
    Finished,
    Review,
    Revise,
    Reward,
    Spend,
    Step,
    StepKind,
    StopReason,
    ToolCall,
)
from rollouts.forecasting.profiles import CallRates, Chances, Script, TaskProfile, Turn
from rollouts.forecasting.simulated_states import States
from rollouts.forecasting.tally import TreeTally, Turns
from rollouts.fork_views import AskCritic, ForkPolicy, OpenFork, PlayBranch, PlayRevised, PlayTrunk, Request
from rollouts.tree import Fork, ForkAction, branch_path, revised_path, step_path, trunk_path
from rollouts.tree_views import TreeViews

MOST_PLAYS = 10_000
# of one tree: two seconds of work. Of a policy that asks for more, no more is known than that

_SAID = Draft(text="message")
_CALLED = Draft(text="", tool_calls=(ToolCall(call_id="0", name="tool", arguments={}),))
_OBJECTION = Review(draft=_SAID, verdict=Revise(feedback="no"))
_APPROVAL = Review(draft=_SAID, verdict=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trunk:
    script: Script
    states: tuple[int, ...]
    actions: tuple[int, ...]
    lost_at: int
    # the step that lost it all; beyond its end where it was solved


def simulated(
    policy: ForkPolicy,
    task: TaskProfile,
    *,
    chances: Chances,
    rates: CallRates,
    chance: random.Random,
    most_plays: int = MOST_PLAYS,
) -> TreeTally:
    """One tree. It ends where the policy asks for nothing new, or after `most_plays`."""
    tree = _SimulatedTree(task, chances, rates, chance)
    served: set[Request] = set()
    while fresh := [request for request in dict.fromkeys(policy.requests(tree.views.view())) if request not in served]:
        served.update(fresh)
        tree.serve(fresh[: max(0, most_plays - tree.num_plays)])
        if tree.num_plays >= most_plays:
            return tree.tally(cut_short=True)
    return tree.tally(cut_short=False)


class _SimulatedTree:
    def __init__(self, task: TaskProfile, chances: Chances, rates: CallRates, chance: random.Random) -> None:
        self._task, self._chances, self._rates, self._chance = task, chances, rates, chance
        self._states = States(chances, chance)
        self._trunks: dict[str, _Trunk] = {}
        self._forks: dict[str, Fork] = {}
        self._drafts: dict[str, list[int]] = {}
        # by fork: the actions drawn there, the trunk's own first
        self._taken: dict[str, Counter[tuple[Turn, int]]] = {sort: Counter() for sort in ("trunk", "branch", "fork")}
        self._chain = 0.0
        self._num_branches = 0
        self.views = TreeViews()

    @property
    def num_plays(self) -> int:
        return len(self._trunks) + self._num_branches

    def serve(self, requests: list[Request]) -> None:
        self._chain += max((self._serve_one(request) for request in requests), default=0.0)

    def _serve_one(self, request: Request) -> float:
        """LLM calls it took, one after the other."""
        match request:
            case PlayTrunk(index=index):
                return self._play_trunk(trunk_path(index))
            case OpenFork():
                return self._open(request)
            case PlayBranch(fork_path=path, action=action, rollout=rollout):
                return self._play_branch(path, action, branch_path(path, action, rollout), revised=False)
            case PlayRevised(fork_path=path, action=action, rollout=rollout):
                return self._play_branch(path, action, revised_path(path, action, rollout), revised=True)
            case AskCritic(fork_path=path, action=action):
                return self._ask(path, action)
            case _:
                assert_never(request)

    # -- plays --------------------------------------------------------------------------------------------------------

    def _play_trunk(self, path: str) -> float:
        script = self._chance.choice(self._task.scripts)
        states, actions = self._walk(self._states.opened(), script.kinds, first=None)
        lost_at = len(script.kinds) if script.solved else self._chance.randrange(len(script.kinds))
        self._trunks[path] = _Trunk(script=script, states=states, actions=actions, lost_at=lost_at)
        calls = self._take("trunk", [("open", 0), ("rule", 0), *_turns(script.kinds, 0)])
        self.views.trunk(_episode(path, 0, script.kinds, states, actions, float(script.solved), calls))
        return calls

    def _play_branch(self, fork_path: str, action: int, path: str, *, revised: bool) -> float:
        self._num_branches += 1
        fork = self._forks[fork_path]
        trunk, at = self._trunks[fork.episode_path], fork.step
        first = None if revised else self._drafts_action(fork, action)
        longer = [script for script in self._task.scripts if len(script.kinds) > at]
        kinds = (trunk.script.kinds[at], *self._chance.choice(longer).kinds[at + 1 :])
        states, actions = self._walk(trunk.states[at], kinds, first=first)
        solved = self._chance.random() < self._value(trunk, at, own=first == trunk.actions[at])
        opening: list[tuple[Turn, int]] = [("draw", at)] if revised else []
        answer: list[tuple[Turn, int]] = [("answer", at)] if kinds[0] == "message" else []
        calls = self._take("branch", [*opening, *answer, ("rule", at), *_turns(kinds[1:], at + 1)])
        self.views.branch(_episode(path, at, kinds, states, actions, float(solved), calls))
        return calls

    def _walk(
        self, state: int, kinds: tuple[StepKind, ...], *, first: int | None
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        states, actions = [], []
        for index, kind in enumerate(kinds):
            action = first if index == 0 and first is not None else self._states.draft(state, kind)
            states.append(state)
            actions.append(action)
            state = self._states.after(state, action, kind)
        return tuple(states), tuple(actions)

    def _value(self, trunk: _Trunk, at: int, *, own: bool) -> float:
        """Expected return after an action before step `at` of the trunk."""
        if at > trunk.lost_at or (at == trunk.lost_at and own):
            return 0.0
        if not own or not trunk.script.solved:
            return self._task.value
        return self._task.value + (1 - self._task.value) * (at + 1) / len(trunk.script.kinds)

    # -- forks --------------------------------------------------------------------------------------------------------

    def _open(self, request: OpenFork) -> float:
        path, trunk = step_path(request.episode_path, request.step), self._trunks[request.episode_path]
        state, kind = trunk.states[request.step], trunk.script.kinds[request.step]
        drafts = self._drafts.setdefault(path, [trunk.actions[request.step]])
        known = len(drafts)
        while len(set(drafts)) < request.width and len(drafts) < request.max_draws:
            drafts.append(self._states.draft(state, kind))
        calls = self._take("fork", [("draw", request.step)] * (len(drafts) - known))
        times = Counter(drafts)
        self._forks[path] = Fork(
            path=path,
            episode_path=request.episode_path,
            step=request.step,
            state_key=_key(state),
            actions=tuple(_fork_action(index, action, kind, times[action]) for index, action in enumerate(times)),
            draws=len(drafts),
            spend=Spend(),
        )
        self.views.fork(self._forks[path], calls=round(calls))
        return calls

    def _drafts_action(self, fork: Fork, index: int) -> int:
        return list(dict.fromkeys(self._drafts[fork.path]))[index]

    def _ask(self, fork_path: str, action: int) -> float:
        calls = self._take("fork", [("question", self._forks[fork_path].step)])
        objects = self._chance.random() < self._chances.objection
        self.views.reviewed(fork_path, action, _OBJECTION if objects else _APPROVAL, calls=round(calls))
        return calls

    # -- counts -------------------------------------------------------------------------------------------------------

    def _take(self, sort: str, turns: list[tuple[Turn, int]]) -> float:
        self._taken[sort].update(turns)
        return sum(self._rates[turn] for turn, _ in turns)

    def tally(self, *, cut_short: bool) -> TreeTally:
        return TreeTally(
            trunks=len(self._trunks),
            branches=self._num_branches,
            forks=len(self._forks),
            trunk_turns=_summed(self._taken["trunk"]),
            branch_turns=_summed(self._taken["branch"]),
            fork_turns=_summed(self._taken["fork"]),
            longest_chain=self._chain,
            cut_short=cut_short,
        )


def _turns(kinds: tuple[StepKind, ...], first: int) -> list[tuple[Turn, int]]:
    """Of steps that the actor took of its own accord."""
    taken: list[tuple[Turn, int]] = []
    for step, kind in enumerate(kinds, start=first):
        taken += [("act", step), ("review", step)]
        if kind == "message":
            taken.append(("answer", step))
    return taken


def _summed(taken: Counter[tuple[Turn, int]]) -> dict[Turn, Turns]:
    turns: dict[Turn, Turns] = {}
    for (turn, step), num in taken.items():
        turns[turn] = turns.get(turn, Turns()) + Turns(num=num, depth=num * step)
    return turns


def _episode(
    path: str,
    at: int,
    kinds: tuple[StepKind, ...],
    states: tuple[int, ...],
    actions: tuple[int, ...],
    returned: float,
    calls: float,
) -> Episode:
    reward = Reward(value=returned, basis=(), parts={})
    return Episode(
        path=path,
        opening=(),
        steps=tuple(
            Step(
                index=at + place,
                state_key=_key(state),
                action=_draft(kind),
                action_key=_key(action),
                kind=kind,
                forced=False,
                reviews=(),
                added=(),
            )
            for place, (kind, state, action) in enumerate(zip(kinds, states, actions, strict=True))
        ),
        outcome=Finished(stop=StopReason.USER_STOP, reward=reward),
        spend=Spend(actor_calls=round(calls)),
        duration_s=0.0,
    )


def _fork_action(index: int, action: int, kind: StepKind, multiplicity: int) -> ForkAction:
    return ForkAction(index=index, draft=_draft(kind), action_key=_key(action), kind=kind, multiplicity=multiplicity)


def _draft(kind: StepKind) -> Draft:
    return _SAID if kind == "message" else _CALLED


def _key(number: int) -> bytes:
    return number.to_bytes(16)
