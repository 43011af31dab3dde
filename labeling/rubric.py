"""The critic's question as chat messages, and its answer as text: the same text for training and for serving.

A question asks for a verdict in words, or for one letter whose probability is the critic's score. It is put to a critic, or to the
actor's own model as a reflection on its draft; the rest of the text is the same.

- The system message (instructions, policy, tools) is equal for all drafts of a domain, and the conversation comes before the
  draft: a server with a prefix cache computes each prefix once.
- Conversation and draft are untrusted. Each message is one line of JSON in which "<" and every line break is escaped, so no text
  can close or open a section of the template or spell a chat template's control token such as "<|im_end|>".
- A critic knows what the actor knows: what a user does with tools of its own stays hidden from both.
- A verdict is read or it is None; it is never guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Literal, TypeAlias, assert_never

from labeling.by_identity import ByIdentity
from labeling.quoting import quoted_line, quoted_lines
from labeling.stated import stated
from rollouts.episode import (
    Approve,
    AssistantMessage,
    Briefing,
    Draft,
    JsonValue,
    Message,
    Revise,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
    Verdict,
    seen_by_actor,
)
from rollouts.identity import canonical_json
from rollouts.protocols import Question

RUBRIC_VERSION = "critic-1"
# of the templates and of the shape of every line below; a changed prompt is another version
SCORE_VERSION = "score-1"
# likewise, of the question that asks for one letter
REFLECTION_VERSION = "reflection-1"
# of the words that make a question one about the model's own draft

SCORE_WORDS = ("A", "R")
# to approve and to ask for a revision: one token each in every common vocabulary
LEAST_MASS = 0.5
# of both words together in an answer's first token: below, the model was about to say something else, and "A" may be an article
SCORE_FEEDBACK = "Reconsider this action."
# of a critic that says nothing but a letter

ChatMessage: TypeAlias = dict[str, str]
# role and content
Reviewer: TypeAlias = Literal["critic", "reflection"]
# somebody else, or the actor's own model


def critic_messages(question: Question, *, reviewer: Reviewer = "critic") -> list[ChatMessage]:
    """A system and a user message that ask for the verdict on the question's draft."""
    return _messages(question, reviewer, "verdict_answer.txt")


def score_messages(question: Question, *, reviewer: Reviewer = "critic") -> list[ChatMessage]:
    """The same question, to be answered with one of SCORE_WORDS; `score_of` reads the answer's first token."""
    return _messages(question, reviewer, "score_answer.txt")


def render_verdict(verdict: Verdict) -> str:
    """The critic's answer: one line of compact JSON."""
    match verdict:
        case Approve():
            return _json({"verdict": "approve"})
        case Revise():
            return _json({"verdict": "revise", "feedback": verdict.feedback})
        case _:
            assert_never(verdict)


def parse_verdict(text: str) -> Verdict | None:
    """The verdict that `text` states; code fences and prose around it are allowed.

    None when the text states none, states two that differ, or holds a brace that does not begin a JSON object (what is inside
    a broken object may be a quotation). A revision without feedback is no verdict.
    """
    try:
        verdicts = [_verdict(found) for found in stated(text, "{") if "verdict" in found]
    except (ValueError, RecursionError):
        return None
    return verdicts[0] if verdicts and all(verdict == verdicts[0] for verdict in verdicts) else None


def verdict_schema(*, exact: bool = False) -> dict[str, JsonValue]:
    """A JSON Schema for the answer to `critic_messages`, as structured output takes one.

    As it is, it keeps to what every strict implementation accepts: one object at the root, every property required, so an approval
    says `"feedback": null`. `exact` allows precisely what `render_verdict` writes, for servers that take a union (vLLM).
    """
    feedback: JsonValue = {"type": "string"}
    if exact:
        approval: JsonValue = _object_schema({"verdict": {"type": "string", "enum": ["approve"]}})
        return {
            "anyOf": [
                approval,
                _object_schema({"verdict": {"type": "string", "enum": ["revise"]}, "feedback": feedback}),
            ]
        }
    verdict: JsonValue = {"type": "string", "enum": ["approve", "revise"]}
    return _object_schema({"verdict": verdict, "feedback": {"type": ["string", "null"]}})


def score_of(first_token: Mapping[str, float], *, least_mass: float = 0.0) -> float | None:
    """P(approve) from the log-probabilities of the answer's first token, renormalised over SCORE_WORDS; spaces do not matter.

    None when neither word is among the alternatives, or both together have no more than `least_mass` of the probability: the model
    was then about to say something else.
    """
    approve, revise = (
        sum(math.exp(min(logprob, 0.0)) for token, logprob in first_token.items() if token.strip() == word)
        for word in SCORE_WORDS
    )
    mass = approve + revise
    return approve / mass if mass > least_mass else None


def scored_verdict(score: float, *, threshold: float) -> Verdict:
    """Approve at `threshold` and above."""
    return Approve() if score >= threshold else Revise(feedback=SCORE_FEEDBACK)


# -- the question -----------------------------------------------------------------------------------------------------


@cache
def _template(name: str) -> Template:
    return Template(files("labeling").joinpath("templates", name).read_text(encoding="utf-8").rstrip("\n"))


def _messages(question: Question, reviewer: Reviewer, answer: str) -> list[ChatMessage]:
    return [
        {"role": "system", "content": _system_text(question.briefing, reviewer, answer)},
        {"role": "user", "content": _user_text(question)},
    ]


def _system_text(briefing: Briefing, reviewer: Reviewer, answer: str) -> str:
    return _template("critic_system.txt").substitute(
        role=_template(f"{reviewer}_role.txt").template,
        answer=_template(answer).template,
        policy=briefing.policy.strip("\n"),
        tools=_tools_text(briefing.tools),
    )


_tools_text: ByIdentity[tuple[ToolSpec, ...], str] = ByIdentity(lambda tools: quoted_lines(map(_tool, tools)))
# takes about a millisecond for a domain's tools, and every question of the domain has them


def _tool(tool: ToolSpec) -> dict[str, object]:
    # a stored run keeps no order of a schema's keys, so the question may not depend on it
    parameters = json.loads(canonical_json(tool.parameters))
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def _user_text(question: Question) -> str:
    # Template.substitute reads "$" in the template only, never in what it puts in
    return _template("critic_user.txt").substitute(
        conversation=quoted_lines(_record(message) for message in seen_by_actor(question.conversation)),
        draft=quoted_line(action_record(question.draft)),
    )


def action_record(action: Draft | AssistantMessage) -> dict[str, object]:
    """An action as the critic reads it: without the reasoning, which nobody else sees, and without the calls' ids."""
    record: dict[str, object] = {"role": "assistant"}
    if action.text or not action.tool_calls:
        record["content"] = action.text
    if action.tool_calls:
        record["tool_calls"] = _calls(action.tool_calls)
    return record


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def _record(message: Message) -> dict[str, object]:
    match message:
        case UserMessage():
            return {"role": "user", "content": message.text}
        case AssistantMessage():
            return action_record(message)
        case ToolMessage():
            failed = {"is_error": True} if message.is_error else {}
            return {"role": "tool", "name": message.name, "content": message.content, **failed}
        case _:
            assert_never(message)


def _json(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=dict)


def _object_schema(properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    required: list[JsonValue] = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


# -- the answer -------------------------------------------------------------------------------------------------------


def _verdict(record: Mapping[str, object]) -> Verdict | None:
    match record["verdict"], record.get("feedback"):
        case "approve", _:
            return Approve()
        case "revise", str(feedback) if feedback.strip():
            return Revise(feedback=feedback)
        case _:
            return None
