"""What a forecast assumes where nothing was recorded. Every number stands here, with where it comes from.

The policy's, the tools' and the user's texts are not assumed but measured: the briefings' characters, CHARS_PER_TOKEN to a token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import fmean

from infra.casting import is_asked
from infra.config import RunConfig
from rollouts.episode import Briefing, StepKind, ToolSpec
from rollouts.forecasting.predict import RoleFigures
from rollouts.forecasting.profiles import CallRates, Chances, Role, Script, TaskProfile

CHARS_PER_TOKEN = 4
# English and JSON, with the tokenizers in use: 3.5 to 4.5

STEPS = (8, 12, 16)
# of a task's trunks; τ² retail with the stand-ins: 4 to 19, on average 10
KINDS: tuple[StepKind, ...] = ("read", "message", "read", "read", "message", "write")
# of a trunk's steps, over and over; a third of τ²'s are messages, half of them reads
SOLVED = ((True, True, True), (True, False, True), (False, False, False))
# of three tasks' trunks: one is always solved, one sometimes, one never

MODEL_DRAFTS: Mapping[StepKind, float] = {"message": 0.02, "read": 0.7, "write": 0.7, "transfer": 0.7, "other": 0.7}
# chance that two drafts are the same action: a model hardly ever finds the same words twice
STAND_IN_DRAFTS: Mapping[StepKind, float] = {"message": 0.85, "read": 0.8, "write": 0.65, "transfer": 0.3, "other": 0.7}
# τ² retail with the stand-ins at their default errors
OBJECTION = 0.25
# share of reviewed drafts that a critic sends back

TOKENS_PER_STEP: Mapping[Role, float] = {"actor": 180.0, "user": 45.0, "critic": 180.0, "judge": 180.0}
# that a conversation grows by: results of τ² tools 200 to 240, a message and its answer 130; a user reads the messages only
COMPLETION_TOKENS: Mapping[Role, float] = {"actor": 80.0, "user": 50.0, "critic": 120.0, "judge": 150.0}
INSTRUCTIONS: Mapping[Role, float] = {"actor": 40.0, "user": 40.0, "critic": 500.0, "judge": 300.0}
# tokens around the briefing: a greeting, or what a critic or judge is told of its task
LATENCY_S = 2.0
# of one call of any model

CPU_S_PER_CALL = 0.001
# of a worker, everything included; the stand-ins' whole cost (quickstart on two cores)
START_S: Mapping[str, float] = {"ray": 6.0, "local": 1.0}


# -- plays ------------------------------------------------------------------------------------------------------------


def assumed_tasks(count: int, *, turn_limit: int) -> list[TaskProfile]:
    return [_task(SOLVED[index % len(SOLVED)], turn_limit) for index in range(count)]


def _task(solved: Sequence[bool], turn_limit: int) -> TaskProfile:
    lengths = [min(steps, turn_limit) for steps in STEPS]
    return TaskProfile(
        scripts=tuple(
            Script(kinds=tuple(KINDS[step % len(KINDS)] for step in range(length)), solved=success)
            for length, success in zip(lengths, solved, strict=True)
        )
    )


def assumed_chances(config: RunConfig) -> Chances:
    return Chances(
        same_draft=MODEL_DRAFTS if is_asked(config, "actor") else STAND_IN_DRAFTS,
        same_answer=same_answer(config),
        objection=0.0 if config.critic.kind == "none" else OBJECTION,
    )


def same_answer(config: RunConfig) -> float:
    """A stand-in's answer is a function of the state; a model's words hardly ever come again."""
    return 0.0 if is_asked(config, "user") else 1.0


# -- calls of a turn --------------------------------------------------------------------------------------------------


def assumed_rates(config: RunConfig, *, kinds: Mapping[StepKind, float], objection: float) -> CallRates:
    """By the rules of supervision (ARCHITECTURE, section 4); `kinds`: shares of the steps."""
    critic, drafts = config.critic, _calls_of_a_draft(config)
    reviewed = 0.0 if critic.kind == "none" else sum(kinds.get(kind, 0.0) for kind in _scope(critic.review))
    asked = sum(objection**revision for revision in range(critic.max_revisions + 1))
    # drafts of a turn in the critic's scope, each of which it judges
    return CallRates(
        per_turn={
            "act": drafts * (1 + reviewed * (asked - 1)),
            "review": reviewed * asked,
            "draw": drafts,
            "open": 1.0,
            "answer": 1.0,
            "question": float(critic.kind != "none"),
            "rule": float(config.judge.kind != "none"),
        }
    )


def _calls_of_a_draft(config: RunConfig) -> float:
    """The best of n drafts takes n calls and up to n judgements, all counted as the actor's."""
    n = config.actor.best_of
    return 1.0 if n == 1 else 2.0 * n


def _scope(review: str) -> tuple[StepKind, ...]:
    scopes: Mapping[str, tuple[StepKind, ...]] = {
        "all": ("message", "read", "write", "transfer", "other"),
        "tool_calls": ("read", "write", "transfer", "other"),
        "messages": ("message",),
        "writes": ("write", "transfer"),
    }
    return scopes.get(review, ())


def kind_shares(tasks: Sequence[TaskProfile]) -> dict[StepKind, float]:
    kinds = [kind for task in tasks for script in task.scripts for kind in script.kinds]
    return {kind: kinds.count(kind) / len(kinds) for kind in sorted(set(kinds))}


# -- tokens of a call -------------------------------------------------------------------------------------------------


def assumed_figures(config: RunConfig, role: Role, briefings: Sequence[Briefing]) -> RoleFigures:
    """Of a role that a model plays. `briefings`: of some of the tasks, at least one."""
    scored = role == "critic" and config.critic.mode == "score"
    return RoleFigures(
        prompt_tokens=INSTRUCTIONS[role] + fmean(_told(role, briefing) for briefing in briefings) / CHARS_PER_TOKEN,
        tokens_per_step=TOKENS_PER_STEP[role],
        completion_tokens=1.0 if scored else COMPLETION_TOKENS[role],
        latency_s=LATENCY_S,
    )


def _told(role: Role, briefing: Briefing) -> int:
    """Characters of what the role is told before the conversation."""
    match role:
        case "actor" | "critic":
            return len(briefing.policy) + _characters(briefing.tools)
        case "user":
            return len(briefing.user_instructions) + _characters(briefing.user_tools)
        case "judge":
            return 0


def _characters(tools: Sequence[ToolSpec]) -> int:
    wire = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools]
    return len(json.dumps(wire, default=dict, ensure_ascii=False)) if wire else 0
