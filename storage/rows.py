"""A finished tree and what was concluded from it, as rows of the tables. Pure; columns are named in `storage.schema` only.

Rows come in path order, so that what shares a prefix lies together, and equal trees give equal rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from labeling.records import ActionValue, CritiqueValue, Label
from rollouts.episode import (
    Approve,
    Episode,
    Failure,
    Finished,
    Message,
    Outcome,
    Revise,
    Reward,
    Spend,
    Step,
    ToolMessage,
    Verdict,
)
from rollouts.evidence import task_class
from rollouts.protocols import Provenance
from rollouts.receipt import WorkItem
from rollouts.tree import Fork, Tree, branch_place, path_order, step_path
from storage.calls import call_rows
from storage.messages import clean_text, draft_to_json, messages_to_json, reviews_to_json
from storage.schema import SCHEMA_VERSION

Row: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStamp:
    """What every row of a run says of its origin."""

    run_id: str
    actor: str
    # identities: kind, model and the settings that matter; never a key or an address with credentials
    user: str
    critic: str
    judge: str = "none"
    provenance: Provenance


def tree_tables(
    tree: Tree,
    values: Sequence[ActionValue],
    labels: Sequence[Label],
    critiques: Sequence[CritiqueValue],
    stamp: RunStamp,
) -> dict[str, list[Row]]:
    """Table → rows, each table present. KeyError for a label about an action that has no value."""
    common = _cleaned(_common(tree.item, stamp) | {"reward_basis": _reward_basis(tree)})
    episodes = sorted(tree.episodes.values(), key=lambda episode: path_order(episode.path))
    valued = {(value.fork_path, value.action_index): value for value in values}
    triage = _triage(tree)
    tables = {
        "episodes": [_episode(episode) | triage(episode.path) for episode in episodes],
        "steps": [_step(episode, step, tree.forks) for episode in episodes for step in episode.steps],
        "values": [_value(value) for value in sorted(values, key=_value_order)],
        "labels": [
            _label(label, valued[label.fork_path, label.action_index]) for label in sorted(labels, key=_label_order)
        ],
        "critiques": [_critique(critique) for critique in sorted(critiques, key=_critique_order)],
        "calls": call_rows(tree),
    }
    return {table: [common | _cleaned(row) for row in rows] for table, rows in tables.items()}


def _common(item: WorkItem, stamp: RunStamp) -> Row:
    return {
        "run_id": stamp.run_id,
        "item_id": item.item_id,
        "schema_version": SCHEMA_VERSION,
        "domain": item.task.domain,
        "split": item.task.split,
        "task_id": item.task.task_id,
        "seed": item.seed,
        "actor": stamp.actor,
        "user": stamp.user,
        "critic": stamp.critic,
        "judge": stamp.judge,
        "env_source": stamp.provenance.source,
        "env_version": stamp.provenance.version,
        "env_data_hash": stamp.provenance.data_hash,
    }


def _reward_basis(tree: Tree) -> list[str]:
    """The task's: every play of it that has a reward tells the same."""
    rewards = (e.outcome.reward for e in tree.episodes.values() if isinstance(e.outcome, Finished))
    return next((list(reward.basis) for reward in rewards if reward is not None), [])


def _triage(tree: Tree) -> Callable[[str], Row]:
    of_trunks = task_class(episode for path, episode in tree.episodes.items() if "." not in path)
    return lambda path: {"triage": None if "." in path else of_trunks}


def _episode(episode: Episode) -> Row:
    return {
        "episode_path": episode.path,
        **_place(episode.path),
        **_outcome(episode.outcome),
        "num_steps": len(episode.steps),
        **_spend(episode.spend),
        "duration_s": float(episode.duration_s),
        "opening": messages_to_json(episode.opening),
    }


def _place(path: str) -> Row:
    place = branch_place(path)
    return {
        "is_trunk": place is None,
        "parent_path": place.parent_path if place else None,
        "fork_step": place.step if place else None,
        "action_index": place.action if place else None,
        "rollout": place.rollout if place else None,
        "critique_index": place.critique if place else None,
    }


def _outcome(outcome: Outcome) -> Row:
    match outcome:
        case Finished():
            return {
                "outcome": "finished",
                "stop_reason": outcome.stop.value,
                "terminated": outcome.stop.terminated,
                "failure_kind": None,
                "failure_message": None,
                **_reward(outcome.reward),
            }
        case Failure():
            return {
                "outcome": "failed",
                "stop_reason": None,
                "terminated": None,
                "failure_kind": outcome.kind.value,
                "failure_message": outcome.message,
                **_reward(None),
            }
        case _:
            assert_never(outcome)


def _reward(reward: Reward | None) -> Row:
    if reward is None:
        names = ("return", "success", "reward_parts", "not_evaluated")
        return dict.fromkeys(names)
    return {
        "return": float(reward.value),
        "success": reward.value == 1,
        "reward_parts": [{"name": name, "value": float(value)} for name, value in sorted(reward.parts.items())],
        "not_evaluated": list(reward.not_evaluated),
    }


def _step(episode: Episode, step: Step, forks: Mapping[str, Fork]) -> Row:
    place = step_path(episode.path, step.index)
    fork = forks.get(place)
    return {
        "episode_path": episode.path,
        "step_path": place,
        "step": step.index,
        "kind": step.kind,
        "forced": step.forced,
        "tool_names": [call.name for call in step.action.tool_calls],
        "num_tool_errors": sum(_is_actors_error(message) for message in step.added),
        "state_key": step.state_key,
        "action_key": step.action_key,
        "action": draft_to_json(step.action),
        "reviews": reviews_to_json(step.reviews),
        "num_revise": sum(isinstance(review.verdict, Revise) for review in step.reviews),
        "added": messages_to_json(step.added),
        "fork_draws": fork.draws if fork else None,
        "fork_spend": _spend(fork.spend) if fork else None,
    }


def _is_actors_error(message: Message) -> bool:
    return isinstance(message, ToolMessage) and message.is_error and message.side == "actor"


def _spend(spend: Spend) -> Row:
    return {
        "actor_calls": spend.actor_calls,
        "user_calls": spend.user_calls,
        "critic_calls": spend.critic_calls,
        "judge_calls": spend.judge_calls,
        "prompt_tokens": spend.prompt_tokens,
        "completion_tokens": spend.completion_tokens,
        "cached_tokens": spend.cached_tokens,
        "cost_usd": _number(spend.cost_usd),
    }


def _value(value: ActionValue) -> Row:
    return {
        **_action_place(value),
        "multiplicity": value.multiplicity,
        "draws": value.draws,
        "n": value.n,
        "successes": float(value.successes),
        "failures": value.failures,
        "mean": _number(value.mean),
        "lower": float(value.lower),
        "upper": float(value.upper),
        "level": float(value.level),
        "origin": value.origin,
        "stop_reason": value.stop_reason,
        "forced_n": value.forced_n,
        "forced_successes": float(value.forced_successes),
        "own_policy_n": value.own_policy_n,
        "own_policy_successes": float(value.own_policy_successes),
        "free_n": value.free_n,
        "restart_n": value.restart_n,
        "restart_successes": float(value.restart_successes),
        "state_mean": _number(value.state_mean),
        "state_lower": float(value.state_lower),
        "state_upper": float(value.state_upper),
        "critic_slope": _number(value.critic_slope),
    }


def _label(label: Label, value: ActionValue) -> Row:
    return {
        **_action_place(value),
        "label": label.label,
        "reason": label.reason,
        "rival_index": label.rival_index,
        "gain_mean": _number(label.gain_mean),
        "gain_lower": _number(label.gain_lower),
        "gain_upper": _number(label.gain_upper),
        "gain_level": float(label.gain_level),
        "delta": float(label.delta),
        "labeler": label.labeler,
        "consensus": label.consensus,
        "first_error": label.first_error,
    }


def _critique(critique: CritiqueValue) -> Row:
    return {
        **_action_place(critique),
        **verdict_cells(critique.verdict),
        "score": _number(critique.score),
        "delivered_n": critique.delivered_n,
        "delivered_successes": float(critique.delivered_successes),
        "delivered_failures": critique.delivered_failures,
        "unchanged_n": critique.unchanged_n,
        "executed_n": critique.executed_n,
        "executed_successes": float(critique.executed_successes),
        "num_pairs": critique.num_pairs,
        "uplift_mean": _number(critique.uplift_mean),
        "uplift_lower": _number(critique.uplift_lower),
        "uplift_upper": _number(critique.uplift_upper),
        "level": float(critique.level),
        "worth": critique.worth,
        "labeler": critique.labeler,
    }


def verdict_cells(verdict: Verdict | None) -> Row:
    """The columns `verdict` and `feedback`; null for one that cannot be read."""
    match verdict:
        case None:
            return {"verdict": None, "feedback": None}
        case Approve():
            return {"verdict": "approve", "feedback": None}
        case Revise(feedback=feedback):
            return {"verdict": "revise", "feedback": feedback}
        case _:
            assert_never(verdict)


def _action_place(value: ActionValue | CritiqueValue) -> Row:
    return {
        "fork_path": value.fork_path,
        "episode_path": value.episode_path,
        "step": value.step,
        "state_key": value.state_key,
        "action_index": value.action_index,
        "action_key": value.action_key,
        "action": draft_to_json(value.action),
        "is_trunk_action": value.action_index == 0,
        "kind": value.kind,
    }


def _value_order(value: ActionValue) -> tuple[object, ...]:
    return (path_order(value.fork_path), value.action_index)


def _label_order(label: Label) -> tuple[object, ...]:
    return (path_order(label.fork_path), label.action_index, label.labeler)


def _critique_order(critique: CritiqueValue) -> tuple[object, ...]:
    return (path_order(critique.fork_path), critique.action_index, critique.labeler)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _cleaned(row: Row) -> Row:
    return {name: _clean(cell) if type(cell) in _HOLDS_TEXT else cell for name, cell in row.items()}


_HOLDS_TEXT = frozenset({str, list, dict})


def _clean(cell: object) -> object:
    match cell:
        case str():
            return clean_text(cell)
        case list():
            return [_clean(inner) for inner in cell]
        case dict():
            return {name: _clean(inner) for name, inner in cell.items()}
        case _:
            return cell
