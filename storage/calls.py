"""The table `calls`: one row for each reply that a model gave, filed by the place of its call in the tree.

A call's place is "t0.s4.a1.r2/7/actor/0": path, step, part, attempt (rollouts.ledger). What was asked about a fork, or about an
action there, belongs to the forked episode.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.episode import PaidReply
from rollouts.ledger import PAYERS
from rollouts.tree import Tree, path_order


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlace:
    """A place, taken apart."""

    path: str
    # of the play, the fork or the action that it was made for
    step: int
    part: str
    attempt: int

    @property
    def role(self) -> str:
        """Who is counted for the call: actor, user, critic or judge."""
        return PAYERS.get(self.part, self.part)

    @property
    def episode_path(self) -> str:
        """Of a fork or an action at one, the forked episode's."""
        segments = self.path.split(".")
        while segments and segments[-1][0] not in "tr":
            segments.pop()
        return ".".join(segments)


def parse_place(place: str) -> CallPlace:
    """ValueError for what is no place."""
    match place.split("/"):
        case [path, step, part, attempt]:
            path_order(path)
            return CallPlace(path=path, step=int(step), part=part, attempt=int(attempt))
        case _:
            raise ValueError(f"not a call's place: {place!r}; a place looks like 't0.s4.a1.r2/7/actor/0'")


def call_rows(tree: Tree) -> list[dict[str, object]]:
    """In the order of paths and steps."""
    places = sorted(((parse_place(place), place) for place in tree.replies), key=_order)
    return [_row(call, place, ask, reply) for call, place in places for ask, reply in enumerate(tree.replies[place])]


def _order(placed: tuple[CallPlace, str]) -> tuple[object, ...]:
    call = placed[0]
    return (path_order(call.path), call.step, call.part, call.attempt)


def _row(call: CallPlace, place: str, ask: int, reply: PaidReply) -> dict[str, object]:
    return {
        "place": place,
        "episode_path": call.episode_path,
        "step": call.step,
        "role": call.role,
        "part": call.part,
        "attempt": call.attempt,
        "ask": ask,
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "cached_tokens": reply.cached_tokens,
        "cost_usd": None if reply.cost_usd is None else float(reply.cost_usd),
        "finish_reason": reply.finish_reason,
        "requests": reply.attempts,
        "wait_s": float(reply.wait_s),
        "latency_s": float(reply.latency_s),
    }
