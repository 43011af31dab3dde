"""The tables' columns: they exist here and only here.

Every row stands alone: it says which run, task, parties and environment made it. One tree is (`run_id`, `item_id`);
inside it places are named by paths (rollouts.tree). Conversations are JSON in the chat shape of `storage.messages`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

SCHEMA_VERSION = 1
# raised when a column changes its meaning, its name or its type; readers refuse what is newer than they are. A table that
# comes later (LATER_TABLES) changes no column: what was written before has no rows of it

NOT_HASHED = frozenset({"run_id", "item_id", "duration_s"})
# columns that may differ between two runs of one configuration: their addresses, and wall time
NOT_HASHED_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    {"verdicts": frozenset({"calls", "cached_tokens", "cost_usd", "failure_message"})}
)
# table → further ones: what a cache held, how often a question was asked, what an endpoint calls a failure

JSON_COLUMNS = frozenset({"opening", "action", "reviews", "added"})

KEY = pa.binary(16)
TEXTS = pa.list_(pa.string())
NAMED_NUMBERS = pa.list_(pa.struct([pa.field("name", pa.string()), pa.field("value", pa.float64())]))
SPEND = pa.struct(
    [
        pa.field("actor_calls", pa.int64()),
        pa.field("user_calls", pa.int64()),
        pa.field("critic_calls", pa.int64()),
        pa.field("judge_calls", pa.int64()),
        pa.field("prompt_tokens", pa.int64()),
        pa.field("completion_tokens", pa.int64()),
        pa.field("cached_tokens", pa.int64()),
        pa.field("cost_usd", pa.float64()),
    ]
)


def _column(name: str, kind: pa.DataType, meaning: str) -> pa.Field[pa.DataType]:
    """A column that every row fills."""
    return pa.field(name, kind, nullable=False, metadata={"meaning": meaning})


def _optional(name: str, kind: pa.DataType, meaning: str) -> pa.Field[pa.DataType]:
    """A column that may be null; `meaning` says when."""
    return pa.field(name, kind, nullable=True, metadata={"meaning": meaning})


_STAMP = [
    _column("run_id", pa.string(), "the run"),
    _column("item_id", pa.string(), "the work item: one task's tree; 32 hex digits"),
    _column("schema_version", pa.int32(), "version of these columns"),
    _column("domain", pa.string(), "the task's domain"),
    _column("split", pa.string(), "the benchmark's split that the task belongs to"),
    _column("task_id", pa.string(), "the task"),
    _column("seed", pa.int64(), "the tree's seed"),
    _column("actor", pa.string(), "identity of the actor: kind, model, settings that matter"),
    _column("user", pa.string(), "identity of the simulated user"),
    _column("critic", pa.string(), "identity of the critic that reviewed drafts"),
    _column("judge", pa.string(), "identity of the judge of assertions in natural language"),
    _column("env_source", pa.string(), "package that tools and tasks come from"),
    _column("env_version", pa.string(), "its version"),
    _column("env_data_hash", pa.string(), "hash of the domain's database and tasks"),
    _column(
        "reward_basis", TEXTS, "the parts the task's reward is made of; empty when no play of the task had a return"
    ),
]

STAMP_COLUMNS = tuple(column.name for column in _STAMP)
# equal in all rows of an item

_EPISODES = [
    _column("episode_path", pa.string(), "place in the tree, e.g. t0.s4.a1.r2"),
    _column("is_trunk", pa.bool_(), "an unforced play from the start; otherwise a branch"),
    _optional("parent_path", pa.string(), "the episode it branched from; null for a trunk"),
    _optional("fork_step", pa.int32(), "index of the first step that is its own; null for a trunk"),
    _optional("action_index", pa.int32(), "which of the fork's actions it was made to take first; null for a trunk"),
    _optional("rollout", pa.int32(), "which play of that action; null for a trunk"),
    _optional(
        "critique_index",
        pa.int32(),
        "which critique of that action the actor was given instead of executing it; null: none was, the action was executed",
    ),
    _optional(
        "triage", pa.string(), "of a trunk: solved, failed or mixed, as all trunks of the tree say; null for a branch"
    ),
    _column("outcome", pa.string(), "finished or failed; a failure is never a return of 0"),
    _optional("return", pa.float64(), "terminal reward in [0, 1]; null when it is unknown"),
    _optional("success", pa.bool_(), "whether the return is 1; null when it is unknown"),
    _optional("stop_reason", pa.string(), "why it ended; null when it failed"),
    _optional("terminated", pa.bool_(), "the world ended it (true) or we did (false); null when it failed"),
    _optional("failure_kind", pa.string(), "why it could not be played to an end; null when it was"),
    _optional("failure_message", pa.string(), "the same in words"),
    _optional("reward_parts", NAMED_NUMBERS, "the value of each evaluated part; null without a return"),
    _optional("not_evaluated", TEXTS, "parts that the task declares and nobody judged; null without a return"),
    _column("num_steps", pa.int32(), "steps of its own: a branch shares the earlier ones with its parent"),
    _column("actor_calls", pa.int64(), "LLM calls made for its own steps"),
    _column("user_calls", pa.int64(), "likewise, by the simulated user"),
    _column("critic_calls", pa.int64(), "likewise, by the critic"),
    _column("judge_calls", pa.int64(), "LLM calls made to judge its assertions once it had ended"),
    _column("prompt_tokens", pa.int64(), "of all these calls"),
    _column("completion_tokens", pa.int64(), "of all these calls"),
    _column("cached_tokens", pa.int64(), "those prompt tokens that came from the provider's cache"),
    _optional("cost_usd", pa.float64(), "of all these calls; null when a price is unknown"),
    _column("duration_s", pa.float64(), "wall time"),
    _column("opening", pa.string(), "JSON: the messages before a trunk's first step; [] for a branch"),
]

_STEPS = [
    _column("episode_path", pa.string(), "the episode"),
    _column("step_path", pa.string(), "the state before this step; a fork here has this path"),
    _column("step", pa.int32(), "index on the trajectory, 0 at its root"),
    _column("kind", pa.string(), "message, read, write, transfer or other"),
    _column("forced", pa.bool_(), "chosen by the explorer at a fork (or revised at its wish), not by the actor"),
    _column("tool_names", TEXTS, "tools the action calls, in order; empty for a message"),
    _column("num_tool_errors", pa.int32(), "results of the actor's tool calls that were errors"),
    _column("state_key", KEY, "the state acted from; equal states, equal keys"),
    _column("action_key", KEY, "the action's identity"),
    _column("action", pa.string(), "JSON: the draft that took effect"),
    _column("reviews", pa.string(), "JSON: each draft the critic saw, and its verdict"),
    _column("num_revise", pa.int32(), "how many of the reviews asked for a revision"),
    _column("added", pa.string(), "JSON: the messages this step appended to the conversation"),
    _optional("fork_draws", pa.int32(), "drafts drawn here, the step's own included; null where nothing was forked"),
    _optional(
        "fork_spend", SPEND, "LLM use of drawing the alternatives and judging them; null where nothing was forked"
    ),
]

_ACTION_PLACE = [
    _column("fork_path", pa.string(), "the state; equals the step_path of the forked step"),
    _column("episode_path", pa.string(), "the forked episode"),
    _column("step", pa.int32(), "the forked step"),
    _column("state_key", KEY, "the state acted from"),
    _column("action_index", pa.int32(), "the action; 0 is the one the forked episode took"),
    _column("action_key", KEY, "the action's identity"),
    _column("action", pa.string(), "JSON: the draft"),
    _column("is_trunk_action", pa.bool_(), "whether action_index is 0"),
    _column("kind", pa.string(), "message, read, write, transfer or other"),
]

_VALUES = [
    *_ACTION_PLACE,
    _column("multiplicity", pa.int32(), "how many of the fork's draws were this action"),
    _column("draws", pa.int32(), "drafts drawn at the fork"),
    _column("n", pa.int32(), "plays that count for the action and have a known return"),
    _column("successes", pa.float64(), "sum of their returns"),
    _column("failures", pa.int32(), "rollouts started here without a return; never counted as 0"),
    _optional("mean", pa.float64(), "successes / n; null when n is 0"),
    _column("lower", pa.float64(), "of the interval of the expected return"),
    _column("upper", pa.float64(), "of the interval of the expected return"),
    _column("level", pa.float64(), "the interval's nominal coverage"),
    _column("origin", pa.string(), "forced, own_policy or pooled: what the n plays are"),
    _column("stop_reason", pa.string(), "why sampling stopped; settled_by_next: V here is V at the next step"),
    _optional("forced_n", pa.int32(), "those of n that were made to take the action in this state"),
    _optional("forced_successes", pa.float64(), "sum of their returns"),
    _optional("own_policy_n", pa.int32(), "those of n that took it in an equal state of their own accord"),
    _optional("own_policy_successes", pa.float64(), "sum of their returns"),
    _optional("free_n", pa.int32(), "those of n that were not started here for it, and cost nothing here"),
    _optional("restart_n", pa.int32(), "trunks with a known return, by which a fresh start is valued"),
    _optional(
        "restart_successes", pa.float64(), "sum of the returns of those that took no more steps than are left here"
    ),
    _optional(
        "state_mean",
        pa.float64(),
        "V of the state: what the actor makes of it; null when too little was played to tell",
    ),
    _optional("state_lower", pa.float64(), "of its interval; anytime-valid where a policy stopped on what it saw"),
    _optional("state_upper", pa.float64(), "of its interval"),
    _optional(
        "critic_slope",
        pa.float64(),
        "return per critic's score, by which V was told of drafts that nobody played; null: it was not needed or not there",
    ),
]

_LABELS = [
    *_ACTION_PLACE,
    _column("label", pa.string(), "approve, revise or abstain"),
    _column("reason", pa.string(), "the rule's reason"),
    _optional("rival_index", pa.int32(), "the sibling action that decided; null if none did"),
    _optional("gain_mean", pa.float64(), "Q(rival) - Q(action); null without a rival"),
    _optional("gain_lower", pa.float64(), "of its interval"),
    _optional("gain_upper", pa.float64(), "of its interval"),
    _column("gain_level", pa.float64(), "the nominal coverage of that interval"),
    _column("delta", pa.float64(), "the loss of value that counts"),
    _column("labeler", pa.string(), "name and version of the decision rule"),
    _optional(
        "consensus", pa.string(), "with the critic's verdict: agree, disagree, or none when one of both is missing"
    ),
    _optional(
        "first_error", pa.int32(), "the forked episode's first step that this rule would have revised; null: none found"
    ),
]

_CRITIQUES = [
    *_ACTION_PLACE,
    _optional("verdict", pa.string(), "approve or revise; null when the answer could not be had or not be read"),
    _optional("feedback", pa.string(), "what the critic said; null unless it asked for a revision"),
    _optional("score", pa.float64(), "its probability that the action should be approved; null when it gives none"),
    _column("delivered_n", pa.int32(), "plays in which the actor was given the feedback, with a known return"),
    _column("delivered_successes", pa.float64(), "sum of their returns"),
    _column("delivered_failures", pa.int32(), "such plays without a return; never counted as 0"),
    _column("unchanged_n", pa.int32(), "those of delivered_n whose revision was the same action again"),
    _column("executed_n", pa.int32(), "plays that count for the action itself; n of its value"),
    _column("executed_successes", pa.float64(), "sum of their returns"),
    _column("num_pairs", pa.int32(), "rollouts with a known return in both arms: they met the same user"),
    _optional("uplift_mean", pa.float64(), "success when delivered - success when executed; null without both"),
    _optional("uplift_lower", pa.float64(), "of its interval"),
    _optional("uplift_upper", pa.float64(), "of its interval"),
    _column("level", pa.float64(), "the nominal coverage of that interval"),
    _optional("worth", pa.string(), "helpful, harmful or undecided; null without feedback"),
    _column("labeler", pa.string(), "name and version of the decision rule"),
]

_VERDICTS = [
    _column("scorer", pa.string(), "identity of the critic that gave the verdict"),
    _column(
        "episode_path",
        pa.string(),
        "the episode whose step the draft is; of several equal ones in equal states the first",
    ),
    _column("step_path", pa.string(), "the state before that step, under the episode's own path"),
    _column("step", pa.int32(), "index of that step"),
    _column("state_key", KEY, "the state the draft was proposed in"),
    _column("action_key", KEY, "the draft's identity; labels and values have both keys, too"),
    _column("kind", pa.string(), "message, read, write, transfer or other"),
    _column("num_steps", pa.int32(), "steps of the tree that are this draft in this state, all of them meant"),
    _optional("verdict", pa.string(), "approve or revise; null when the answer could not be had or not be read"),
    _optional("feedback", pa.string(), "what the critic said; null unless it asked for a revision"),
    _optional("score", pa.float64(), "its probability that the draft should be approved; null when it gives none"),
    _optional("failure_kind", pa.string(), "why there is no answer and never will be; null when there was one"),
    _optional("failure_message", pa.string(), "the same in words"),
    _column("calls", pa.int64(), "replies that were paid for"),
    _column("prompt_tokens", pa.int64(), "of these"),
    _column("completion_tokens", pa.int64(), "likewise"),
    _column("cached_tokens", pa.int64(), "those prompt tokens that came from a cache"),
    _optional("cost_usd", pa.float64(), "of these; null when a price is unknown"),
]

_CALLS = [
    _column("place", pa.string(), "the call's place in the tree: path, step, part, attempt"),
    _column("episode_path", pa.string(), "the episode it was made for; for a draw, the forked episode"),
    _column("step", pa.int32(), "the step it was made for"),
    _column("role", pa.string(), "who is counted for it: actor, user, critic or judge"),
    _column("part", pa.string(), "what it was for: actor, draw, critic, user, opening or judge"),
    _column(
        "attempt", pa.int32(), "which turn of that part at this step: a revision, a draw, the user's next tool call"
    ),
    _column("ask", pa.int32(), "index of the reply in its turn: above 0, the one before could not be used"),
    _column("model", pa.string(), "the model that answered"),
    _column("prompt_tokens", pa.int64(), "as the endpoint counted them"),
    _column("completion_tokens", pa.int64(), "likewise"),
    _column("cached_tokens", pa.int64(), "those prompt tokens that came from the provider's cache"),
    _optional("cost_usd", pa.float64(), "of this reply; null when no price is known"),
    _column("finish_reason", pa.string(), "the endpoint's word"),
    _column(
        "requests",
        pa.int32(),
        "requests made for it: above 1 after time-outs, refusals for load and broken connections",
    ),
    _column(
        "wait_s", pa.float64(), "before the last request was sent: rate control, a free connection, earlier requests"
    ),
    _column("latency_s", pa.float64(), "from sending the last request to its complete reply"),
]


def _schema(table: str, columns: Sequence[pa.Field[pa.DataType]]) -> pa.Schema:
    metadata: dict[str | bytes, str | bytes] = {"treeroll.table": table, "treeroll.schema_version": str(SCHEMA_VERSION)}
    return pa.schema([*_STAMP, *columns], metadata=metadata)


SCHEMAS: Mapping[str, pa.Schema] = {
    "episodes": _schema("episodes", _EPISODES),
    "steps": _schema("steps", _STEPS),
    "values": _schema("values", _VALUES),
    "labels": _schema("labels", _LABELS),
    "critiques": _schema("critiques", _CRITIQUES),
    "calls": _schema("calls", _CALLS),
    "verdicts": _schema("verdicts", _VERDICTS),
}
VERDICTS = "verdicts"
# given to a run's drafts after it was played: published in batches of their own (storage.scorings), in no item's marker
TABLES = tuple(table for table in SCHEMAS if table != VERDICTS)
# of a tree: what an item's marker publishes, all at once
CONTENT_TABLES = tuple(table for table in TABLES if table != "calls")
# what a run says; what its calls were (how long they took, which had to be repeated) differs from run to run
LATER_TABLES = frozenset({"calls", "critiques"})
# markers of the same schema version may lack them: written before there was such a table
LATER_COLUMNS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "episodes": frozenset({"critique_index", "triage"}),
        "values": frozenset(
            {
                "forced_n",
                "forced_successes",
                "own_policy_n",
                "own_policy_successes",
                "free_n",
                "restart_n",
                "restart_successes",
                "state_mean",
                "state_lower",
                "state_upper",
                "critic_slope",
            }
        ),
        "labels": frozenset({"consensus", "first_error"}),
    }
)
# table → nullable columns that parts of the same schema version may lack: written before there were such columns


def hashed_columns(table: str) -> tuple[str, ...]:
    """The columns that are the table's content, sorted by name: a row's hash does not depend on their order."""
    chance = NOT_HASHED | NOT_HASHED_OF.get(table, frozenset())
    return tuple(sorted(set(SCHEMAS[table].names) - chance - set(later_columns(table))))


def later_columns(table: str) -> tuple[str, ...]:
    """Nullable columns that were added within SCHEMA_VERSION, sorted by name."""
    return tuple(sorted(LATER_COLUMNS.get(table, ())))
