"""Small trees, made by hand: every kind of outcome, action, verdict and fork occurs in `sample_tree`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from labeling.records import ActionValue, Conclusions, CritiqueValue, Label
from rollouts.episode import (
    Approve,
    AssistantMessage,
    Conversation,
    Draft,
    Episode,
    Failure,
    Finished,
    Outcome,
    PaidReply,
    Review,
    Revise,
    Reward,
    Spend,
    Step,
    StopReason,
    Task,
    ToolCall,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
    Verdict,
)
from rollouts.errors import FailureKind
from rollouts.identity import action_key, digest
from rollouts.protocols import Provenance
from rollouts.receipt import WorkItem
from rollouts.tree import Fork, ForkAction, Tree, step_path
from storage.rows import RunStamp
from storage.runs import DomainBriefing, PlannedItem, RunRecord

STAMP = RunStamp(
    run_id="run-1",
    actor="scripted/1",
    user="scripted/1",
    critic="none",
    provenance=Provenance(source="made-by-hand", version="1", data_hash="abc"),
)
TOOL = ToolSpec(
    name="refund",
    description="Pay back",
    parameters=MappingProxyType({"type": "object", "properties": {"order": {"type": "string"}}}),
    kind="write",
)
SPEND = Spend(actor_calls=2, user_calls=1, prompt_tokens=900, completion_tokens=40, cached_tokens=600, cost_usd=0.0125)

REPLIES = {
    "t0/0/opening/0": (PaidReply(model="small", prompt_tokens=50, completion_tokens=9, latency_s=0.5),),
    "t0/0/actor/0": (
        PaidReply(model="large", prompt_tokens=100, completion_tokens=2, cost_usd=0.01, finish_reason="length"),
        PaidReply(model="large", prompt_tokens=100, completion_tokens=5, cost_usd=0.01, attempts=3, wait_s=2.5),
    ),
    "t0.s1.a1.r0/10/user/1": (PaidReply(model="small", finish_reason="stop"),),
    "t0.s1.a1.r0/2/critic/0": (PaidReply(model="judge \ud83d", cached_tokens=64, cost_usd=None),),
    "t0.s1/1/draw/1": (PaidReply(model="large", prompt_tokens=100),),
}


def work_item(index: int = 0, *, domain: str = "retail", split: str = "train") -> WorkItem:
    task = Task(task_id=f"task-{index}", domain=domain, split=split, data={"scenario": "an order"})
    return WorkItem(item_id=digest(b"item", str(index).encode()).hex(), task=task, seed=7, trunks=2)


def say(text: str) -> Draft:
    return Draft(text=text, usage=Usage(prompt_tokens=100, completion_tokens=5, cost_usd=None))


def call(name: str, **arguments: str | int | float) -> Draft:
    return Draft(text="", tool_calls=(ToolCall(call_id="c1", name=name, arguments=arguments),), reasoning="because")


def step(
    episode_path: str, index: int, action: Draft, *, forced: bool = False, reviews: tuple[Review, ...] = ()
) -> Step:
    """One step; what it adds names its place, so that a conversation shows where it came from."""
    assistant = AssistantMessage(text=action.text, tool_calls=action.tool_calls)
    place = step_path(episode_path, index)
    answer: Conversation = (UserMessage(text=f"answer at {place}"),)
    if action.tool_calls:
        is_error = action.tool_calls[0].name == "refused"
        answer = tuple(
            ToolMessage(call_id=made.call_id, name=made.name, content=f"result at {place}", is_error=is_error)
            for made in action.tool_calls
        )
    if action.tool_calls and action.tool_calls[0].name == "refused":
        # a user with tools of its own: neither the call nor its error is the actor's
        own = ToolCall(call_id="u1", name="reboot", arguments={})
        answer += (
            UserMessage(text="", tool_calls=(own,)),
            ToolMessage(call_id="u1", name="reboot", content="no battery", is_error=True, side="user"),
        )
    return Step(
        index=index,
        state_key=digest(b"state", place.encode()),
        action=action,
        action_key=action_key(action),
        kind="write" if action.tool_calls else "message",
        forced=forced,
        reviews=reviews,
        added=(assistant, *answer),
    )


def episode(path: str, steps: Sequence[Step], outcome: Outcome, *, duration_s: float = 1.5) -> Episode:
    opening = () if "." in path else (UserMessage(text=f"hello from {path}"),)
    return Episode(path=path, opening=opening, steps=tuple(steps), outcome=outcome, spend=SPEND, duration_s=duration_s)


def finished(value: int | float, stop: StopReason = StopReason.USER_STOP) -> Finished:
    parts = {"DB": value, "COMMUNICATE": 1}
    reward = Reward(value=value, basis=("DB", "COMMUNICATE", "NL"), parts=parts, not_evaluated=("NL",))
    return Finished(stop=stop, reward=reward)


def fork(episode_path: str, forked: Step, alternative: Draft) -> Fork:
    actions = tuple(
        ForkAction(index=index, draft=draft, kind="write", action_key=action_key(draft), multiplicity=2 - index)
        for index, draft in enumerate([forked.action, alternative])
    )
    return Fork(
        path=step_path(episode_path, forked.index),
        episode_path=episode_path,
        step=forked.index,
        state_key=forked.state_key,
        actions=actions,
        draws=3,
        spend=Spend(actor_calls=2, cost_usd=None),
    )


def sample_tree(item: WorkItem | None = None, *, duration_s: float = 1.5) -> Tree:
    """t0 succeeds and is forked at step 1; its branch t0.s1.a1.r0 is forked again at step 2; t1 is cut short at the budget."""
    reviewed = (
        Review(draft=say("Shall I just refund it?"), verdict=Revise(feedback="Ask first — “policy” §3")),
        Review(draft=say("Is the order #W1 right?"), verdict=Approve(), usage=Usage(prompt_tokens=10)),
        Review(draft=say("?"), verdict=None),
    )
    t0 = [
        step("t0", 0, call("find_order", order="#W1", limit=3)),
        step("t0", 1, say("Is the order #W1 right?"), reviews=reviewed),
        step("t0", 2, call("refund", order="#W1", amount=12.5)),
    ]
    branch = "t0.s1.a1.r0"
    below = [
        step(branch, 1, call("refund", order="#W2"), forced=True),
        step(branch, 2, call("refused", order="#W2")),
        step(branch, 3, say("Done — anything else? 👍")),
    ]
    deep = "t0.s1.a1.r0.s2.a1.r0"
    episodes = [
        episode("t0", t0, finished(1), duration_s=duration_s),
        episode("t0.s1.a0.r0", [step("t0.s1.a0.r0", 1, t0[1].action, forced=True)], finished(0.0)),
        episode(branch, below, finished(0.0, StopReason.TURN_LIMIT)),
        episode("t0.s1.a1.r1", [], Failure(kind=FailureKind.TIMEOUT, message="no answer in 600 s \ud83d")),
        episode(deep, [step(deep, 2, say("Sorry, no."), forced=True)], finished(0.5, StopReason.TRANSFER)),
        episode("t1", [step("t1", 0, say("Hi"))], Finished(stop=StopReason.BUDGET, reward=None)),
    ]
    forks = [fork("t0", t0[1], below[0].action), fork(branch, below[1], say("Sorry, no."))]
    return Tree(
        item=item or work_item(),
        episodes={made.path: made for made in episodes},
        forks={made.path: made for made in forks},
        replies=REPLIES,
        early_stop=True,
    )


def labelling(tree: Tree) -> Conclusions:
    """A value for each action of each fork, a label of it by each of two rules, and critiques of the first three."""
    values = [_value(tree, made, action) for made in tree.forks.values() for action in made.actions]
    verdicts = (Approve(), Revise(feedback="Ask first — “policy” §3"), None)
    return Conclusions(
        values=values,
        labels=[_label(value, rule) for value in values for rule in ("rule/1", "rule/2")],
        critiques=[_critique(value, verdict) for value, verdict in zip(values, verdicts, strict=False)],
    )


def _critique(value: ActionValue, verdict: Verdict | None) -> CritiqueValue:
    played = int(isinstance(verdict, Revise))
    return CritiqueValue(
        fork_path=value.fork_path,
        episode_path=value.episode_path,
        step=value.step,
        state_key=value.state_key,
        action_index=value.action_index,
        action_key=value.action_key,
        action=value.action,
        kind=value.kind,
        verdict=verdict,
        score=0.25 if played else None,
        delivered_n=3 * played,
        delivered_successes=2 * played,
        delivered_failures=played,
        unchanged_n=played,
        executed_n=value.n,
        executed_successes=value.successes,
        num_pairs=played,
        uplift_mean=0.5 if played else None,
        uplift_lower=-0.25 if played else None,
        uplift_upper=1 if played else None,
        level=0.9,
        worth="undecided" if played else None,
        labeler="uplift/1",
    )


def _value(tree: Tree, made: Fork, action: ForkAction) -> ActionValue:
    branches = tree.branches(made.path, action.index)
    returns = [
        branch.outcome.reward.value
        for branch in branches
        if isinstance(branch.outcome, Finished) and branch.outcome.reward
    ]
    return ActionValue(
        fork_path=made.path,
        episode_path=made.episode_path,
        step=made.step,
        state_key=made.state_key,
        action_index=action.index,
        action_key=action.action_key,
        action=action.draft,
        kind="message",
        multiplicity=action.multiplicity,
        draws=made.draws,
        n=len(returns),
        successes=sum(returns),
        failures=len(branches) - len(returns),
        mean=sum(returns) / len(returns) if returns else None,
        lower=0,
        upper=1,
        level=0.95,
        origin="forced",
        stop_reason="fixed_count",
    )


def _label(value: ActionValue, rule: str) -> Label:
    return Label(
        fork_path=value.fork_path,
        episode_path=value.episode_path,
        step=value.step,
        state_key=value.state_key,
        action_index=value.action_index,
        action_key=value.action_key,
        label="approve" if value.action_index == 0 else "abstain",
        reason="undecided",
        rival_index=None if value.action_index == 0 else 0,
        gain_mean=None,
        gain_lower=0,
        gain_upper=0.25,
        gain_level=0.95,
        delta=0.2,
        labeler=rule,
    )


def run_record(num_items: int, **changes: object) -> RunRecord:
    items = [work_item(index) for index in range(num_items)]
    record = RunRecord(
        run_id="run-1",
        config={"run": {"seed": 7}, "branching": {"policy": "every_step", "width": 2}},
        items=tuple(
            PlannedItem(
                item_id=item.item_id,
                task_id=item.task.task_id,
                domain=item.task.domain,
                split=item.task.split,
                seed=item.seed,
            )
            for item in items
        ),
        briefings=(DomainBriefing(domain="retail", policy="Be kind — §1", tools=(TOOL,)),),
        treeroll_version="0.1.0",
        created_by={"python": "3.11"},
    )
    return replace(record, **changes)  # type: ignore[arg-type]
