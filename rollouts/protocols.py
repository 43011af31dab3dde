"""The seams. Small protocols; everything else is an implementation, and each has one conformance suite in tests/conformance/."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from rollouts.episode import (
    Approve,
    Briefing,
    Conversation,
    Draft,
    Reward,
    Side,
    StopReason,
    Task,
    ToolCall,
    Usage,
    Verdict,
)
from rollouts.receipt import PoolEvent, Progress, Receipt, WorkItem
from rollouts.tree import Tree

S = TypeVar("S")


# -- environment ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which environment made a row."""

    source: str
    # the package the tools and tasks come from
    version: str
    data_hash: str
    # of the domain's database and tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(Generic[S]):
    state: S
    content: str
    # what the tool answered, as the actor reads it
    is_error: bool = False
    stop: StopReason | None = None


class Environment(Protocol[S]):
    """Pure functions over an immutable state of type S: a fork is a reference, and two branches can never touch each other.

    One object serves one domain in one process and may hold caches; no method changes what another call can observe.
    """

    @property
    def provenance(self) -> Provenance: ...

    def tasks(self, split: str) -> Sequence[Task]:
        """The split's tasks in the benchmark's order. UsageError names the splits when `split` is none of them."""

    def briefing(self, task: Task) -> Briefing: ...

    def initial(self, task: Task) -> S: ...

    def apply(self, state: S, call: ToolCall, *, side: Side = "actor") -> Transition[S]:
        """Execute one call of one side. What the tool refuses (unknown tool, bad arguments) is an observation with `is_error`."""

    def user_stop(self, text: str) -> StopReason | None:
        """Whether the simulated user's message ends the episode (its stop tokens are the environment's)."""

    def reward(self, state: S, conversation: Conversation, stop: StopReason) -> Reward:
        """The return of a trajectory that ended in `state`. Changes nothing; equal arguments, equal answer."""

    def key(self, state: S) -> bytes:
        """Equal keys exactly when the states are equal in everything a tool or the reward can see."""

    def dump(self, state: S) -> bytes: ...

    def load(self, data: bytes) -> S:
        """Inverse of `dump`, in any process with the same provenance."""


# -- those who speak --------------------------------------------------------------------------------------------------


class Policy(Protocol):
    """An actor or a simulated user: what to do next, given the conversation. Both are chat policies over one client.

    Each looks only at what its side sees (`rollouts.episode.seen_by_actor`, `seen_by_user`).

    Raises RolloutError when no answer can be had.
    """

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """`feedback`: what the critic said of this turn's earlier drafts, oldest first (always empty for a user)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One draft to judge."""

    conversation: Conversation
    briefing: Briefing
    draft: Draft
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: Verdict | None
    # None: the answer could not be parsed
    usage: Usage
    score: float | None = None
    # probability in [0, 1] that the draft should be approved; None where the critic gives none


class Critic(Protocol):
    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        """One judgement for each question, in order."""


class NoCritic:
    """The null critic: approves everything, calls nobody."""

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [Judgement(verdict=Approve(), usage=Usage()) for _ in questions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    met: tuple[bool, ...] | None
    # one for each assertion, in order; None: the answer could not be parsed, and it is never guessed
    usage: Usage


class Judge(Protocol):
    """Says which of a task's natural-language assertions hold. It sees everything that happened, on both sides.

    Raises RolloutError when no answer can be had.
    """

    async def judge(self, assertions: Sequence[str], conversation: Conversation, *, seed: int) -> Ruling:
        """`assertions` is never empty."""


class NoJudge:
    """The null judge: rules on nothing, calls nobody."""

    async def judge(self, assertions: Sequence[str], conversation: Conversation, *, seed: int) -> Ruling:
        return Ruling(met=None, usage=Usage())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays one task, and who judges how it was played."""

    actor: Policy
    user: Policy
    critic: Critic
    judge: Judge = field(default_factory=NoJudge)


class Casting(Protocol):
    def cast(self, task: Task) -> Cast:
        """Stand-ins are made for their task; chat policies are the same for every task."""

    async def close(self) -> None:
        """Give back connections and engines."""


# -- what was paid for ------------------------------------------------------------------------------------------------

Answer: TypeAlias = Draft | Judgement | Ruling


class Journal(Protocol):
    """Keeps every paid answer from the moment it came until its tree is published. One object serves one worker."""

    def recall(self, item_id: str) -> Mapping[str, Answer]:
        """What earlier plays of the item were answered, by place (rollouts.ledger). Blocking; called off the loop."""

    def append(self, item_id: str, place: str, answer: Answer) -> None:
        """Returns at once; the answer is durable within the journal's flush interval."""

    def settled(self, item_id: str) -> None:
        """The item's tree is published: its answers are not needed any more."""

    @property
    def failed(self) -> Exception | None:
        """Why nothing can be made durable for the time being; None when all is well."""

    async def flush(self) -> None:
        """Make everything appended durable now. DataError or UsageError when it cannot be done."""

    async def close(self) -> None:
        """Make everything appended durable, and stop. Raises as `flush`."""


class NoJournal:
    """The null journal: remembers nothing."""

    failed = None

    def recall(self, item_id: str) -> Mapping[str, Answer]:
        return {}

    def append(self, item_id: str, place: str, answer: Answer) -> None:
        pass

    def settled(self, item_id: str) -> None:
        pass

    async def flush(self) -> None:
        pass

    async def close(self) -> None:
        pass


# -- where work runs --------------------------------------------------------------------------------------------------


class Clock(Protocol):
    def __call__(self) -> float:
        """Seconds, monotonic."""


class WorkerPool(Protocol):
    """Runs work items somewhere. Every launched item leads to exactly one event unless the pool is closed first."""

    async def launch(self, item: WorkItem) -> None:
        """Hand the item to a worker; returns at once."""

    def events(self) -> AsyncIterator[PoolEvent]:
        """What became of the launched items, in order of arrival. Ends when the pool is closed."""

    async def progress(self) -> Progress:
        """What the workers have done so far, unsettled work included."""

    async def allow(self, calls: int | None) -> None:
        """From now on the workers together may start so many more LLM calls, then they wait for the next word; None: any number."""

    async def drain(self) -> None:
        """Ask every worker to start no further LLM call: live episodes end as truncated (StopReason.BUDGET)."""

    async def close(self) -> None:
        """Stop the workers; unsettled items are abandoned and produce no event."""


# -- where results go -------------------------------------------------------------------------------------------------


Publish: TypeAlias = Callable[[], Receipt]
# a prepared tree's rows, all tables at once, exactly once however often it is called. Blocking: waits for the store


class TreeSink(Protocol):
    """Both stages are called off the loop, each in threads of its own: one needs the processor, the other waits."""

    def prepare(self, tree: Tree) -> Publish:
        """Make the tree's rows and encode them; the store is not touched."""
