"""Episodes and forks by hand: only what counts as evidence is told of them."""

from __future__ import annotations

from collections.abc import Sequence

from rollouts.episode import Draft, Episode, Failure, Finished, Review, Reward, Spend, Step, StopReason, Task
from rollouts.errors import FailureKind
from rollouts.identity import action_key, digest
from rollouts.receipt import WorkItem
from rollouts.tree import Fork, ForkAction, Tree, branch_place, path_order
from tests.toy import press

BROKEN = Failure(kind=FailureKind.TIMEOUT, message="no answer")
ITEM = WorkItem(item_id="0" * 32, task=Task(task_id="t", domain="toy", split="train", data={}), seed=0, trunks=2)


def state(name: str) -> bytes:
    return digest(name.encode())


def episode(path: str, taken: Sequence[tuple[str, Draft]], value: float | None) -> Episode:
    """`taken`: the name of the state acted from, and the action."""
    place = branch_place(path)
    first = place.step if place else 0
    steps = tuple(
        Step(
            index=first + index,
            state_key=state(name),
            action=action,
            action_key=action_key(action),
            kind="write" if action.tool_calls else "message",
            forced=place is not None and index == 0,
            reviews=(),
            added=(),
        )
        for index, (name, action) in enumerate(taken)
    )
    reward = Reward(value=value or 0.0, basis=("DB",), parts={"DB": value or 0.0})
    outcome = BROKEN if value is None else Finished(stop=StopReason.USER_STOP, reward=reward)
    return Episode(path=path, opening=(), steps=steps, outcome=outcome, spend=Spend(actor_calls=1), duration_s=0.0)


def fork(path: str, name: str, *actions: Draft, draws: int = 3, reviews: Sequence[Review | None] = ()) -> Fork:
    parent, step = path.rsplit(".s", 1)
    said = dict(enumerate(reviews))
    made = tuple(
        ForkAction(
            index=index,
            draft=draft,
            action_key=action_key(draft),
            kind="write",
            multiplicity=1,
            review=said.get(index),
        )
        for index, draft in enumerate(actions)
    )
    return Fork(
        path=path,
        episode_path=parent,
        step=int(step),
        state_key=state(name),
        actions=made,
        draws=draws,
        spend=Spend(),
    )


def tree(episodes: Sequence[Episode], forks: Sequence[Fork], *, turn_limit: int = 0) -> Tree:
    ordered = sorted(episodes, key=lambda made: path_order(made.path))
    return Tree(
        item=ITEM,
        episodes={made.path: made for made in ordered},
        forks={made.path: made for made in forks},
        turn_limit=turn_limit,
    )


RIGHT, WRONG, OTHER = press("right"), press("wrong"), press("broken")
