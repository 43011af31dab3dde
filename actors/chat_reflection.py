"""The customer's second thought before it ends the conversation: has it dealt with everything that it came for? Pure.

Simulated users often leave too early, and an episode that ends there says nothing of the actor. The question is put to the same
model in the same role; its answer is read or it changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from actors.chat_wire import ChatRequest, WireMessage, WireTool
from labeling.stated import stated
from rollouts.seeds import derive_seed

REFLECTION_PROMPT = "user-reflection-1"
# version of the texts below; another question makes another user
MAX_UNMET_CHARS = 2_000
# of what is handed back to the model

_QUESTION = (
    "[Note from the system, not from the other side. Your last message would end the conversation, and nobody has seen it yet. "
    "Go through your instructions: is there anything that you were to ask for, to tell or to do, and that has been neither dealt "
    'with nor refused for good? Answer with one JSON object and nothing else: {"unmet":"what is left, in one sentence"}, or '
    '{"unmet":""} if nothing is left.]'
)
_GO_ON = (
    "[Note from the system, not from the other side. Your last message has not been sent, because something is left: {unmet}\n"
    "Give another message instead, which goes on with that and does not end the conversation; do not mention this.]"
)
_SCHEMA: WireTool = {
    "type": "object",
    "properties": {"unmet": {"type": "string"}},
    "required": ["unmet"],
    "additionalProperties": False,
}


def reflection(request: ChatRequest, last: str) -> ChatRequest:
    """The question after `request`, whose answer `last` would end the conversation. Tools stay described but cannot be called."""
    return replace(
        request,
        messages=_after(request.messages, last, _QUESTION),
        tool_choice="none",
        response_schema=_SCHEMA,
        seed=derive_seed(request.seed or 0, "reflect"),
    )


def going_on(request: ChatRequest, last: str, unmet: str) -> ChatRequest:
    """The request for another message than `last`."""
    note = _GO_ON.format(unmet=unmet)
    return replace(request, messages=_after(request.messages, last, note), seed=derive_seed(request.seed or 0, "go on"))


def unmet_goals(text: str) -> str:
    """What is left, as `text` states it; "" when nothing is, or when it cannot be read."""
    try:
        answers = list(stated(text, "{"))
    except (ValueError, RecursionError):
        return ""
    match answers:
        case [{"unmet": str(unmet)}]:
            return unmet.strip()[:MAX_UNMET_CHARS]
        case _:
            return ""


def _after(messages: list[WireMessage], last: str, note: str) -> list[WireMessage]:
    return [*messages, {"role": "assistant", "content": last}, {"role": "user", "content": note}]
