"""The critic's question as chat messages, and its answer as text: the same text for training and for serving.

- The system message (instructions, policy, tools) is equal for all drafts of a domain, and the conversation comes before the
  draft: a server with a prefix cache computes each prefix once.
- Conversation and draft are untrusted. Each message is one line of JSON in which "<" and every line break is escaped, so no text
  can close or open a section of the template or spell a chat template's control token such as "<|im_end|>".
- A critic knows what the actor knows: what a user does with tools of its own stays hidden from both.
- A verdict is read or it is None; it is never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import TypeAlias, assert_never

from labeling.quoting import quoted_line, quoted_lines
from rollouts.episode import (
    Approve,
    AssistantMessage,
    Briefing,
    Draft,
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

ChatMessage: TypeAlias = dict[str, str]
# role and content


def critic_messages(question: Question) -> list[ChatMessage]:
    """A system and a user message that ask for the verdict on the question's draft."""
    return [
        {"role": "system", "content": _system_text(question.briefing)},
        {"role": "user", "content": _user_text(question)},
    ]


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
        stated = [_verdict(found) for found in _objects(text) if "verdict" in found]
    except (ValueError, RecursionError):
        return None
    return stated[0] if stated and all(verdict == stated[0] for verdict in stated) else None


# -- the question -----------------------------------------------------------------------------------------------------


@cache
def _template(name: str) -> Template:
    return Template(files("labeling").joinpath("templates", name).read_text(encoding="utf-8").rstrip("\n"))


def _system_text(briefing: Briefing) -> str:
    tools = quoted_lines(_tool(tool) for tool in briefing.tools)
    return _template("critic_system.txt").substitute(policy=briefing.policy.strip("\n"), tools=tools)


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


# -- the answer -------------------------------------------------------------------------------------------------------


def _objects(text: str) -> Iterator[dict[str, object]]:
    """The outermost JSON objects, in order. ValueError for a brace that begins none, RecursionError for a bottomless one."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_repetition)
    position = text.find("{")
    while position >= 0:
        found, end = decoder.raw_decode(text, position)
        yield found
        position = text.find("{", end)


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name is given twice")
    return record


def _verdict(record: Mapping[str, object]) -> Verdict | None:
    match record["verdict"], record.get("feedback"):
        case "approve", _:
            return Approve()
        case "revise", str(feedback) if feedback.strip():
            return Revise(feedback=feedback)
        case _:
            return None
