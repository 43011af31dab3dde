"""How often labels are right: τ² retail, stand-ins, against true values by brute force.

    python -m tests.benchmarks.labels [rollouts ...]

`every_step` with these numbers of rollouts, then the sequential policies with at most CAP. These are labelled twice: by the
anytime-valid intervals that the product uses where sampling stopped on what it saw, and by Jeffreys intervals as if it had not.

A `revise` is right when some sibling is truly better (by more than 0.01; "by delta" counts those better by `delta`), an `approve`
when no sibling is truly better by `delta`, and the action does not lose `delta` of the state's true value; "alone" are those of
actions that the actor drew nothing else beside. Tasks with more than `MOST_WRITES` gold writes are left out: brute force over their
plays takes too long. The interval's coverage is the share of values whose interval at the first level holds the truth.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.casting import casting
from infra.config import load_config
from infra.pipeline import branching, open_environment, plan
from labeling.labels import LabelRule, label_actions
from labeling.records import ActionValue, LabelName
from labeling.values import action_values
from rollouts.branching import fork_policy
from rollouts.episode import Draft
from rollouts.play import Player
from rollouts.tree import Tree
from tests.benchmarks.growing import grow
from tests.benchmarks.table import print_table
from tests.exact_values import ExactValues

LEVELS = ((0.8, 0.8), (0.8, 0.95))
# to approve, to revise
CAP = 24
HEADING = (
    "policy",
    "rollouts",
    "calls",
    "intervals",
    "levels",
    "coverage",
    "revise",
    "right",
    "by delta",
    "approve",
    "right",
    "alone",
    "right",
    "abstain",
)
ROLLOUTS = (4, 8, 16)
MOST_WRITES = 2
BETTER = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    tree: Tree
    truth: dict[tuple[str, int], float]
    # (fork path, action index) → true Q
    state: dict[str, float]
    # fork path → true V
    fixed: bool = False
    # label it as if the number of rollouts had been fixed beforehand

    def values(self, *, level: float) -> list[ActionValue]:
        values = action_values(self.tree, level=level)
        return [replace(value, stop_reason="fixed_count") for value in values] if self.fixed else values


def main() -> None:
    rows: list[list[str]] = []
    for rollouts in [int(argument) for argument in sys.argv[1:]] or ROLLOUTS:
        rows += _rows("every_step", rollouts, LEVELS)
    for policy in ("bisect", "adaptive"):
        rows += _rows(policy, CAP, LEVELS[-2:])
    print_table(HEADING, rows)


def _rows(policy: str, rollouts: int, levels: Sequence[tuple[float, float]]) -> list[list[str]]:
    grown, delta, calls = asyncio.run(_grow(policy, rollouts))
    kinds = {"sequence": grown, "Jeffreys": [replace(one, fixed=True) for one in grown]}
    if policy == "every_step":
        del kinds["sequence"]
    return [
        [policy, str(rollouts), f"{calls:,}", kind, f"{approve} / {revise}", *_graded(labelled, rule)]
        for kind, labelled in kinds.items()
        for approve, revise in levels
        for rule in [LabelRule(delta=delta, approve_level=approve, revise_level=revise)]
    ]


async def _grow(policy_name: str, rollouts: int) -> tuple[list[Grown], float, int]:
    config = load_config(
        "quickstart",
        overrides=[f"branching.policy={policy_name}", f"branching.rollouts={rollouts}", "tasks.count=74"],
    )
    world = open_environment(config)
    cast = casting(config)
    grown, calls = [], 0
    for item in plan(config, world):
        kinds = {tool.name: tool.kind for tool in world.briefing(item.task).tools}
        criteria: dict[str, list[dict[str, str]]] = item.task.data["evaluation_criteria"]  # type: ignore[assignment]
        if sum(kinds.get(action["name"]) == "write" for action in criteria["actions"]) > MOST_WRITES:
            continue
        policy = fork_policy(config.branching.policy, branching(config))
        tree, player = await grow(config, item, world=world, cast=cast, policy=policy)
        truth, state = _truth(tree, player, config.limits.turns)
        grown.append(Grown(tree=tree, truth=truth, state=state))
        calls += tree.spend.calls
    await cast.close()
    return grown, config.branching.delta, calls


def _truth(tree: Tree, player: Player[object], turns: int) -> tuple[dict[tuple[str, int], float], dict[str, float]]:
    """Q of the forks' actions, and V of the forks."""
    exact = ExactValues(player.environment, player.cast, tree.item.task)
    truth, values = {}, {}
    for fork in tree.forks.values():
        trunk = tree.episodes[fork.episode_path]
        state, conversation = player.environment.initial(tree.item.task), trunk.opening
        for step in trunk.steps[: fork.step]:
            for call in step.action.tool_calls:
                state = player.environment.apply(state, call).state
            conversation += step.added
        for action in fork.actions:
            value = exact.action_value(conversation, state, turns - fork.step, action.draft)
            truth[fork.path, action.index] = value
        outcomes: list[tuple[float, Draft]] = player.cast.actor.outcomes(conversation, player.briefing)  # type: ignore[attr-defined]
        left = turns - fork.step
        values[fork.path] = sum(p * exact.action_value(conversation, state, left, draft) for p, draft in outcomes)
    return truth, values


def _graded(grown: list[Grown], rule: LabelRule) -> list[str]:
    covered = total = by_delta = alone = alone_right = 0
    right: dict[LabelName, int] = defaultdict(int)
    given: dict[LabelName, int] = defaultdict(int)
    for one in grown:
        values = one.values(level=rule.approve_level)
        best: dict[str, float] = defaultdict(float)
        for value in values:
            truth = one.truth[value.fork_path, value.action_index]
            best[value.fork_path] = max(best[value.fork_path], truth)
            covered += value.lower - 1e-9 <= truth <= value.upper + 1e-9
            total += 1
        for label in label_actions(values, rule):
            loss = best[label.fork_path] - one.truth[label.fork_path, label.action_index]
            given[label.label] += 1
            by_delta += label.label == "revise" and loss >= rule.delta
            loss_of_v = one.state[label.fork_path] - one.truth[label.fork_path, label.action_index]
            sound = max(loss, loss_of_v) < rule.delta
            right[label.label] += loss > BETTER if label.label == "revise" else sound
            alone += label.reason == "no_other_action"
            alone_right += label.reason == "no_other_action" and sound
    return [
        f"{covered / total:.1%}",
        str(given["revise"]),
        _share(right["revise"], given["revise"]),
        _share(by_delta, given["revise"]),
        str(given["approve"]),
        _share(right["approve"], given["approve"]),
        str(alone),
        _share(alone_right, alone),
        f"{given['abstain'] / total:.1%}",
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


if __name__ == "__main__":
    main()
