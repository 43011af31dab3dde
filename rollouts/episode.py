"""The vocabulary: what an episode is made of. Frozen, slotted, keyword-only; no behaviour beyond what a value can tell of itself.

A conversation is an append-only tuple of everything that happened, in order. Each side sees its own part of it (`seen_by_actor`,
`seen_by_user`): the tool calls of one side are hidden from the other. The domain's policy text and tools are not part of it: they
are the task's `Briefing`, stored once. A rejected draft is never part of it either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from rollouts.errors import FailureKind

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


Side: TypeAlias = Literal["actor", "user"]

# -- conversation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    call_id: str
    # names the call inside one conversation; not part of the action's identity
    name: str
    arguments: Mapping[str, JsonValue]
    # treated as immutable by everybody; an environment copies it before a tool may keep it


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    # of a user that has tools of its own (dual control); the text is then empty


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    text: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolMessage:
    call_id: str
    name: str
    content: str
    is_error: bool = False
    side: Side = "actor"
    # whose call it answers


Message: TypeAlias = UserMessage | AssistantMessage | ToolMessage
Conversation: TypeAlias = tuple[Message, ...]


def seen_by_actor(conversation: Conversation) -> Conversation:
    """What the actor knows: all but the user's own tool calls and their results."""
    return tuple(
        message
        for message in conversation
        if not (isinstance(message, UserMessage) and message.tool_calls)
        and not (isinstance(message, ToolMessage) and message.side == "user")
    )


def seen_by_user(conversation: Conversation) -> Conversation:
    """What the user knows: all but the actor's tool calls and their results."""
    return tuple(
        message
        for message in conversation
        if not (isinstance(message, AssistantMessage) and message.tool_calls)
        and not (isinstance(message, ToolMessage) and message.side == "actor")
    )


# -- task -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    task_id: str
    domain: str
    split: str
    # "train", "test", or what the benchmark calls it
    data: Mapping[str, JsonValue]
    # the environment's own record of the task: scenario, gold actions, criteria


ToolKind: TypeAlias = Literal["read", "write", "transfer", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    name: str
    description: str
    parameters: Mapping[str, JsonValue]
    # a JSON Schema of type "object"
    kind: ToolKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """What the two sides are told before the first message."""

    policy: str
    # the actor's instructions: the domain policy
    tools: tuple[ToolSpec, ...]
    user_instructions: str
    # the simulated user's: guidelines and this task's scenario; never shown to the actor
    user_tools: tuple[ToolSpec, ...] = ()
    # of a user that can act on its own side of the world (dual control)


# -- action -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidReply:
    """One reply of a model: what a row of the table `calls` says of it. Stand-ins make none."""

    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    # None: no price is known
    finish_reason: str = ""
    # the endpoint's word
    attempts: int = 1
    # requests made for it
    wait_s: float = 0.0
    # before the last request was sent: rate control, a free connection, earlier attempts and their back-off
    latency_s: float = 0.0
    # from sending the last request to its complete reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one turn used. A stand-in that needs no model uses no tokens but still counts as a call."""

    calls: int = 1
    # replies that were paid for: more than one where an unusable one was asked for again, 0 for a turn that is no model's
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    # those of prompt_tokens that the provider read from its cache
    cost_usd: float | None = 0.0
    # None: no price is known
    replies: tuple[PaidReply, ...] = ()
    # one for each call that a model answered, in order

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            replies=self.replies + other.replies,
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_usd=None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An action proposed and not yet executed: a message to the user, or one or more tool calls."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    # stored apart; nobody else in the episode sees it
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Revise:
    feedback: str


Verdict: TypeAlias = Approve | Revise


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One draft and what the critic said of it."""

    draft: Draft
    verdict: Verdict | None
    # None: the critic's answer could not be parsed; the draft then counts as not reviewed
    score: float | None = None
    # the critic's probability that the draft should be approved; None where it gives none
    usage: Usage = field(default_factory=Usage)
    # the critic's


# -- what happened ----------------------------------------------------------------------------------------------------


class StopReason(StrEnum):
    """Why a played episode ended. The first three terminate it (the world ended it), the rest truncate it (we did)."""

    USER_STOP = "user_stop"
    AGENT_STOP = "agent_stop"
    TRANSFER = "transfer"
    TURN_LIMIT = "turn_limit"
    CONTEXT_LENGTH = "context_length"
    BUDGET = "budget"

    @property
    def terminated(self) -> bool:
        return self in (StopReason.USER_STOP, StopReason.AGENT_STOP, StopReason.TRANSFER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    value: float
    # the return, in [0, 1]: the product of the evaluated parts of the basis
    basis: tuple[str, ...]
    # names of the parts the task's reward is made of, e.g. ("DB", "COMMUNICATE")
    parts: Mapping[str, float]
    # one value for each evaluated part
    not_evaluated: tuple[str, ...] = ()
    # parts the task declares that nobody judged; they never count as passed
    assertions: tuple[str, ...] = ()
    # what a judge has to find true of the conversation; empty where the task declares nothing, or it cannot count any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    stop: StopReason
    reward: Reward | None
    # None exactly when `stop` is BUDGET or CONTEXT_LENGTH: the return is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    kind: FailureKind
    message: str
    fatal: bool = False


Outcome: TypeAlias = Finished | Failure

StepKind: TypeAlias = Literal["message", "read", "write", "transfer", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    index: int
    # position on the trajectory, 0 at its root
    state_key: bytes
    # 16 bytes: the state acted from (environment and conversation)
    action: Draft
    # the draft that took effect
    action_key: bytes
    # 16 bytes: the draft's identity (rollouts.identity.action_key)
    kind: StepKind
    forced: bool
    # chosen by the explorer at a fork, not by the actor's policy at this place
    reviews: tuple[Review, ...]
    added: Conversation
    # the messages this step appended: the action, then tool results or the user's answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """LLM calls and what they used, summed."""

    actor_calls: int = 0
    user_calls: int = 0
    critic_calls: int = 0
    judge_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    # None as soon as one call's cost is unknown

    def __add__(self, other: Spend) -> Spend:
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        return Spend(
            actor_calls=self.actor_calls + other.actor_calls,
            user_calls=self.user_calls + other.user_calls,
            critic_calls=self.critic_calls + other.critic_calls,
            judge_calls=self.judge_calls + other.judge_calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_usd=cost,
        )

    @property
    def calls(self) -> int:
        return sum(self.calls_by_role.values())

    @property
    def calls_by_role(self) -> dict[str, int]:
        return {
            "actor": self.actor_calls,
            "user": self.user_calls,
            "critic": self.critic_calls,
            "judge": self.judge_calls,
        }

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One trunk, or one branch from its fork on, played to its end."""

    path: str
    # place in the tree (rollouts.tree): "t0", "t0.s4.a1.r2"
    opening: Conversation
    # a trunk's messages before its first step (the user's first); empty for a branch
    steps: tuple[Step, ...]
    outcome: Outcome
    spend: Spend
    duration_s: float
    # wall time; never part of a content hash
