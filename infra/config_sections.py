"""The sections of a run's configuration: names, types, ranges, defaults, and what each setting means.

Types are strict (no "3" for 3, no true for 1; a whole number may stand for a fraction) and unknown keys are refused.
What depends on more than one setting is in `infra.config_rules`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from actors import scripted_errors as stand_ins
from infra.config_types import (
    Count,
    DistinctNames,
    Level,
    Limit,
    Multiplier,
    Name,
    OptionalPrice,
    OptionalSeconds,
    Price,
    Rate,
    RunName,
    Seconds,
    Share,
    StoreRoot,
    Url,
    VariableName,
)
from rollouts.branching import FORK_POLICIES, BranchingSettings

_BRANCHING = BranchingSettings(trunks=1, width=1, rollouts=2, max_draws=1, forked_trunks=1, delta=0.5)
_RATES, _TASKS = stand_ins.ErrorRates(), stand_ins.Difficulty()
# the stand-ins know their own defaults


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class RunSection(Section):
    """What to play, where."""

    seed: Limit = Field(default=0, description="every other seed derives from it")
    pool: Literal["ray", "local"] = Field(
        default="ray", description="worker processes of a Ray cluster, or this process alone"
    )
    workers: Count = Field(default=2, description="episode workers; one async process each, about one per core")
    max_in_flight: Count = Field(default=256, description="live episodes over all workers")
    id: RunName = Field(
        default="",
        description="the run's name below the root; empty: the configuration's name and a digest of what determines its rows",
    )
    journal_flush_s: Seconds = Field(
        default=1.0,
        description="after so long an LLM's reply is safe: no more than that is paid for twice after a kill",
    )
    item_attempts: Count = Field(default=3, description="how often a task's tree is tried when its worker dies")


class StorageSection(Section):
    """Where the rows go. Credentials come from the usual AWS variables."""

    root: StoreRoot = Field(default="data", description="a directory or s3://bucket/prefix")
    endpoint_url: Url = Field(default="", description="of a server that speaks the S3 protocol; empty: AWS itself")
    outage_s: Annotated[float, Field(ge=0)] = Field(
        default=60.0, description="how long it may be out before the run stops with code 3, to be resumed"
    )


class TasksSection(Section):
    """Which problems to play. Everything in the split or file, unless `count` or `ids` says less."""

    environment: Name = Field(default="tau2", description="name in the environment registry")
    domain: Name = Field(default="retail", description="one of the environment's domains")
    split: Name = Field(default="train", description="one of the domain's splits; a test split is for evaluations only")
    source: Annotated[str, Field(max_length=4096)] = Field(
        default="", description="a file of tasks that `treeroll tasks make` has written, in place of a split"
    )
    count: Limit = Field(default=0, description="the first so many tasks of the split or file; 0: all")
    ids: DistinctNames = Field(default=(), description="these tasks, by id; empty: as `count` says")


class ChatSection(Section):
    """A role that a model behind an endpoint can play; the other kinds are each role's own."""

    kind: str
    base_url: Url = Field(default="", description="chat: the endpoint, such as http://127.0.0.1:8000/v1")
    model: Annotated[str, Field(max_length=200)] = Field(
        default="", description="chat: the model's name at the endpoint"
    )
    api_key_env: VariableName = Field(
        default="", description="chat: the NAME of the environment variable that holds the key; empty: no key is sent"
    )
    protocol: Literal["openai", "anthropic"] = Field(
        default="openai", description="chat: how the endpoint is spoken to: chat completions, or Anthropic's Messages"
    )
    key_header: Literal["auto", "authorization", "api-key", "x-api-key"] = Field(
        default="auto", description="chat: how the key is sent; auto: as the protocol has it; Azure: api-key"
    )
    api_version: Annotated[str, Field(max_length=64)] = Field(
        default="", description="chat: sent as ?api-version= (Azure); empty: not sent"
    )
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = Field(default=1.0, description="chat: of the sampling")
    max_tokens: Count = Field(default=1024, description="chat: of one reply")
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="chat: its name at the endpoint; OpenAI's reasoning models want the second"
    )
    prompt_cache_key: bool = Field(
        default=False, description="chat: whether the endpoint takes prompt_cache_key; it is then sent"
    )
    timeout_s: Seconds = Field(default=120.0, description="chat: for one reply, one attempt")
    connect_timeout_s: Seconds = Field(default=10.0, description="chat: of that, for the connection")
    first_byte_timeout_s: OptionalSeconds = Field(
        default=None, description="chat: of that, until the reply begins; unset: timeout_s alone counts"
    )
    max_retries: Annotated[int, Field(ge=0, le=100)] = Field(
        default=4, description="chat: of one call, after failures that may pass"
    )
    max_requests: Limit = Field(
        default=0, description="chat: requests in flight at the endpoint, over all workers; 0: run.max_in_flight"
    )
    requests_per_min: Rate = Field(default=0.0, description="chat: sent to the endpoint, over all workers; 0: no limit")
    tokens_per_min: Rate = Field(default=0.0, description="chat: prompt and reply, over all workers; 0: no limit")
    price_per_million_prompt: OptionalPrice = Field(
        default=None, description="chat: US dollars per million prompt tokens; unset: unknown"
    )
    price_per_million_completion: OptionalPrice = Field(
        default=None, description="chat: US dollars per million completion tokens; unset: unknown"
    )
    price_per_million_cached: OptionalPrice = Field(
        default=None, description="chat: of prompt tokens that came from the provider's cache; unset: as the others"
    )
    price_per_million_cache_write: OptionalPrice = Field(
        default=None,
        description="chat: of prompt tokens put into its cache, where it counts them; unset: as the others",
    )


class ErrorRates(Section):
    """How often the scripted actor makes each mistake where it could."""

    wrong_argument: Share = Field(default=_RATES.wrong_argument, description="a tool call with one argument changed")
    skipped_write: Share = Field(
        default=_RATES.skipped_write, description="a change the customer asked for is left out"
    )
    unconfirmed_write: Share = Field(
        default=_RATES.unconfirmed_write, description="a change before the customer confirmed it"
    )
    wrong_tool: Share = Field(default=_RATES.wrong_tool, description="another tool than the right one")
    premature_transfer: Share = Field(
        default=_RATES.premature_transfer, description="a transfer while it could be solved"
    )
    premature_goodbye: Share = Field(
        default=_RATES.premature_goodbye, description="ended while something is left to do"
    )
    missing_information: Share = Field(
        default=_RATES.missing_information, description="an answer without what has to be told"
    )


class Difficulty(Section):
    """How the scripted actor's tasks spread; the others have mixed outcomes."""

    always_solved: Share = Field(default=_TASKS.always_solved, description="share of tasks on which it never errs")
    never_solved: Share = Field(default=_TASKS.never_solved, description="share of tasks on which it always errs")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.always_solved + self.never_solved > 1.0:
            raise ValueError(
                f"always_solved + never_solved must be at most 1, got {self.always_solved} + {self.never_solved}; they are shares "
                "of the same tasks"
            )
        return self


class ActorSection(ChatSection):
    """Whose actions are valued."""

    kind: Literal["scripted", "chat", "react"] = Field(
        default="scripted",
        description="a stand-in that needs no model, an endpoint that calls tools, or one that writes its calls as text",
    )
    best_of: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="drafts of each action; the critic chooses the one that it scores highest"
    )
    errors: ErrorRates = Field(default=ErrorRates(), description="scripted: its mistakes")
    difficulty: Difficulty = Field(default=Difficulty(), description="scripted: how hard its tasks are")


class UserSection(ChatSection):
    """The simulated customer."""

    kind: Literal["scripted", "chat"] = Field(
        default="scripted", description="a stand-in that needs no model, or an endpoint"
    )
    reflect: bool = Field(
        default=False, description="chat: before it ends the conversation, it checks that it asked for everything"
    )


class CriticSection(ChatSection):
    """Who reviews the actor's drafts before they take effect."""

    kind: Literal["none", "scripted", "self", "chat", "vllm"] = Field(
        default="none",
        description="nobody; a stand-in that knows the gold plan; the actor's own model; an endpoint; vLLM on Ray workers",
    )
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = Field(default=0.0, description="chat: of the sampling")
    hit_rate: Share = Field(default=0.8, description="scripted: share of wrong drafts it asks to revise")
    false_alarm_rate: Share = Field(default=0.1, description="scripted: share of right drafts it asks to revise")
    mode: Literal["critique", "score"] = Field(
        default="critique",
        description="chat, vllm: a verdict with feedback, or the probability that the draft should be approved",
    )
    threshold: Share = Field(default=0.5, description="score: a draft with a lower probability is sent back")
    python: Annotated[str, Field(max_length=4096)] = Field(
        default="",
        description="vllm: interpreter of an environment that has vLLM, on every node; empty: the workers' own",
    )
    replicas: Count = Field(default=1, description="vllm: engines, each in a Ray actor of its own")
    num_gpus: Annotated[float, Field(ge=0.0, le=64.0)] = Field(
        default=1.0, description="vllm: of one replica; a fraction shares a GPU, 0 is the CPU build"
    )
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="vllm: GPUs that the model is split over"
    )
    max_model_len: Limit = Field(
        default=0, description="vllm: tokens of prompt and answer; 0: as many as the model takes"
    )
    on_too_long: Literal["truncate", "refuse"] = Field(
        default="truncate",
        description="vllm: a question that does not fit: leave out the oldest tool outputs, or end the episode as truncated",
    )
    max_running: Count = Field(default=256, description="vllm: questions in one engine at once")
    max_waiting: Count = Field(default=4096, description="vllm: questions before one engine")
    engine_args: dict[str, Any] = Field(
        default={}, description="vllm: further arguments of its engine, by its own names"
    )
    review: Literal["none", "all", "tool_calls", "writes", "messages"] = Field(
        default="writes",
        description="which drafts it sees before they take effect; none: it only chooses (actor.best_of) or labels",
    )
    feedback_persists: bool = Field(
        default=False, description="whether the actor keeps its feedback in view for the rest of the episode"
    )
    max_revisions: Annotated[int, Field(ge=0, le=100)] = Field(
        default=1, description="how often the actor is asked again for one action"
    )
    on_exhausted: Literal["last_draft", "first_draft"] = Field(
        default="last_draft", description="what takes effect if it never approves"
    )


class JudgeSection(ChatSection):
    """Who rules on a task's assertions in natural language once an episode has ended."""

    kind: Literal["none", "chat"] = Field(
        default="none", description="nobody (they stay not evaluated), or an endpoint"
    )
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = Field(default=0.0, description="chat: of the sampling")


def _policy(name: str) -> str:
    if name not in FORK_POLICIES:
        raise ValueError(f"needs one of {', '.join(FORK_POLICIES)}")
    return name


class BranchingSection(Section):
    """Where episodes are forked and how often the branches are played."""

    policy: Annotated[str, AfterValidator(_policy)] = Field(
        default="every_step", description=f"where to fork: {', '.join(FORK_POLICIES)}, or one of your own"
    )
    trunks: Count = Field(default=4, description="plays of a task before any fork")
    forked_trunks: Count = Field(default=1, description="trunks of a task whose steps are forked, failing ones first")
    width: Count = Field(default=3, description="actions compared at a fork, the trunk's own included")
    max_draws: Limit = Field(
        default=0, description="drafts drawn to find `width` different actions; 0: twice the width"
    )
    rollouts: Count = Field(
        default=4, description="branches played for each action of a fork; of bisect and adaptive: the most"
    )
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(default=0.2, description="loss of value that counts")
    min_rollouts: Count = Field(
        default=_BRANCHING.min_rollouts, description="bisect, adaptive: the fewest before anything is decided"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = Field(
        default=_BRANCHING.confidence,
        description="bisect, adaptive: probability at which a comparison counts as decided",
    )
    calls_per_label: Annotated[float, Field(gt=0.0, le=1e12)] = Field(
        default=_BRANCHING.calls_per_label, description="bisect, adaptive: calls that one more right label is worth"
    )
    calls_per_tree: Limit = Field(default=0, description="LLM calls of one tree; 0: no limit")
    branches_per_tree: Limit = Field(default=0, description="branches of one tree; 0: no limit")
    budget_mixed: Multiplier = Field(
        default=1.0, description="share of the tree's limits for a task that some trunks solve and some do not"
    )
    budget_failed: Multiplier = Field(default=1.0, description="likewise, where every trunk fails")
    budget_solved: Multiplier = Field(default=1.0, description="likewise, where every trunk succeeds")
    critiques: bool = Field(
        default=False, description="whether the critic is asked for its verdict on every action that is tried"
    )
    uplift_rollouts: Limit = Field(
        default=0, description="plays of each critique, delivered and not; 0: what it is worth is not measured"
    )


class LabelsSection(Section):
    """How values become labels. Levels are nominal coverages of intervals."""

    level: Level = Field(default=0.9, description="of the intervals in the values table")
    approve_level: Level = Field(default=0.8, description="of the intervals that must exclude a loss of delta")
    revise_level: Level = Field(default=0.95, description="of the intervals that must show a sibling to be better")
    uplift_level: Level = Field(
        default=0.9, description="of the intervals that say whether a critique helped or harmed"
    )


class LimitsSection(Section):
    """What ends an episode, and what stops a run (it can be resumed). 0: no limit."""

    turns: Count = Field(default=30, description="actor steps of one trajectory")
    calls: Limit = Field(default=0, description="LLM calls of the run")
    tokens: Limit = Field(default=0, description="tokens of the run, prompt and completion")
    cost_usd: Price = Field(default=0.0, description="US dollars of the run")
    on_limit: Literal["pause", "publish"] = Field(
        default="pause",
        description="trees under way when a run's limit is reached: kept in the journal until the run is resumed, or published as "
        "far as they got",
    )
    episode_timeout_s: Seconds = Field(default=600.0, description="wall time of one episode")
