"""From a label and its fork's action values to what a critic should have answered.

The feedback of a revision is made from evidence, never invented: it names the sibling action that decided the label, as the
actor drew it. Success rates and counts stay out of it, since a critic could only learn to make them up; they are columns of
their own. How the feedback was made stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import assert_never

from labeling.records import ActionValue, Label
from labeling.rubric import ChatMessage, critic_messages, render_verdict
from rollouts.episode import Approve, Draft, JsonValue, Revise, ToolCall, Verdict
from rollouts.identity import canonical_json
from rollouts.protocols import Question

FEEDBACK_TEMPLATE = "template-1"
# the wording below; another wording is another name

_MAX_TEXT = 400
# characters of a message that are quoted: a whole turn of a customer-service agent, mostly
_MAX_ARGUMENT = 300
# likewise of one argument, as JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticExample:
    messages: tuple[ChatMessage, ...]
    # the critic's question and, as the assistant's turn, the answer
    verdict: Verdict
    feedback_source: str | None
    # how the feedback was made; None where there is none


def critic_example(question: Question, label: Label, siblings: Sequence[ActionValue]) -> CriticExample | None:
    """The example of one labeled action; None when the label abstains. `siblings`: the fork's values, the action's own included.

    ValueError for a revision whose rival is not among them.
    """
    match label.label:
        case "abstain":
            return None
        case "approve":
            return _example(question, Approve(), None)
        case "revise":
            return _example(question, Revise(feedback=_feedback(label, siblings)), FEEDBACK_TEMPLATE)
        case _:
            assert_never(label.label)


def _example(question: Question, verdict: Verdict, feedback_source: str | None) -> CriticExample:
    answer = {"role": "assistant", "content": render_verdict(verdict)}
    return CriticExample(
        messages=(*critic_messages(question), answer), verdict=verdict, feedback_source=feedback_source
    )


def _feedback(label: Label, siblings: Sequence[ActionValue]) -> str:
    by_index = {value.action_index: value for value in siblings}
    if label.rival_index is None or not {label.rival_index, label.action_index} <= by_index.keys():
        raise ValueError(
            f"the revision at {label.fork_path}.a{label.action_index} needs the values of the action and of its rival "
            f"{label.rival_index}, got {sorted(by_index)}"
        )
    draft, rival = by_index[label.action_index], by_index[label.rival_index]
    return _advice(draft.action, rival.action)


# -- the better action in words ---------------------------------------------------------------------------------------


def _advice(draft: Draft, rival: Draft) -> str:
    match draft.tool_calls, rival.tool_calls:
        case (ToolCall(name=name) as drafted,), (ToolCall(name=same) as better,) if name == same:
            return f"Call {name} with {_changes(drafted.arguments, better.arguments)}."
        case (), ():
            return f"Say this instead: {_quoted(rival.text)}"
        case (), calls:
            return f"Do not send this message; call {_calls(calls)}."
        case drafts, ():
            return f"Do not call {_names(drafts)}; say: {_quoted(rival.text)}"
        case drafts, calls:
            return f"Instead of {_names(drafts)}, call {_calls(calls)}."


def _changes(drafted: Mapping[str, JsonValue], better: Mapping[str, JsonValue]) -> str:
    """The arguments that differ, in the order of the better call."""
    changes = []
    for name in dict.fromkeys(chain(better, drafted)):
        if name not in better:
            changes.append(f"no {name}")
        elif name not in drafted:
            changes.append(f"{name}={_argument(better[name])} added")
        elif canonical_json(better[name]) != canonical_json(drafted[name]):
            changes.append(f"{name}={_argument(better[name])} instead of {_argument(drafted[name])}")
    return ", ".join(changes)


def _calls(calls: Sequence[ToolCall]) -> str:
    return ", then ".join(
        f"{call.name}({', '.join(f'{name}={_argument(value)}' for name, value in call.arguments.items())})"
        for call in calls
    )


def _names(calls: Sequence[ToolCall]) -> str:
    return ", ".join(dict.fromkeys(call.name for call in calls))


def _argument(value: JsonValue) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=dict), _MAX_ARGUMENT)


def _quoted(text: str) -> str:
    return json.dumps(_cut(" ".join(text.split()), _MAX_TEXT), ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
