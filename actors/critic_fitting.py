"""Make a critic's question fit the model's window, by one stated rule. Pure.

The rule: tool outputs are left out one by one, the oldest first, until the rest fits. In place of each stands which tool answered
and how many characters are missing. Policy, tools, what customer and agent said, the agent's calls and the draft are never touched:
a question that is too long without any tool output does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labeling.quoting import quoted_line
from labeling.rubric import ChatMessage

_TOOL_LINE = '{"role":"tool",'
# how a tool's answer begins in the question (labeling.rubric): a record is one line, and a line in it is one record


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    tokens: list[int]
    left_out: int
    # tool outputs that are not in it


def fit(
    messages: Sequence[ChatMessage], *, encode: Callable[[Sequence[ChatMessage]], list[int]], window: int
) -> Fitted | None:
    """The question in at most `window` tokens, with as many tool outputs as fit; None when it cannot be made to fit."""
    tokens = encode(messages)
    if len(tokens) <= window:
        return Fitted(tokens=tokens, left_out=0)
    system, asked = messages
    lines = asked["content"].split("\n")
    notes = {place: _note(line) for place, line in enumerate(lines) if line.startswith(_TOOL_LINE)}
    outputs = [place for place, note in notes.items() if len(note) < len(lines[place])]

    def without(oldest: int) -> list[int]:
        left_out = set(outputs[:oldest])
        text = "\n".join(notes[place] if place in left_out else line for place, line in enumerate(lines))
        return encode([system, {**asked, "content": text}])

    fewest, most = 1, len(outputs)
    tokens = without(most)
    if len(tokens) > window:
        return None
    while fewest < most:
        middle = (fewest + most) // 2
        shorter = without(middle)
        if len(shorter) <= window:
            most, tokens = middle, shorter
        else:
            fewest = middle + 1
    return Fitted(tokens=tokens, left_out=most)


def _note(line: str) -> str:
    """What stands in place of a tool output."""
    record = json.loads(line)
    return quoted_line({**record, "content": f"[{len(record['content'])} characters left out]"})
