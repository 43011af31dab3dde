"""Where in its plan a scripted actor stands: a function of the plan and the conversation, of nothing else.

So it goes on sensibly from any forked state, whatever was said or done there. The place moves forward only; calling or
proposing a later item means that the items before it were left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from actors.scripted_plan import ANYTHING_ELSE, ASK, GOODBYE, HANDOVER, Call, Plan
from rollouts.episode import AssistantMessage, Conversation, ToolCall, ToolMessage, UserMessage


class Phase(Enum):
    """How far the item under the cursor has come.

    A write: OPEN → ASKED → CONFIRMED | CORRECTED | QUESTIONED (the last two ask again); anything refused → CAREFUL.
    The closing: OPEN → CLOSED → REMINDED. A transfer: TRANSFERRED → LEFT.
    """

    OPEN = "open"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    QUESTIONED = "questioned"
    CAREFUL = "careful"
    # a tool refused the last attempt, or it was a useless one: the next one is right, if there is one
    CLOSED = "closed"
    REMINDED = "reminded"
    TRANSFERRED = "transferred"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    cursor: int
    # index of the next gold item; their number once only the closing is left
    phase: Phase
    uninformed: bool
    # a gold read was left out: arguments go wrong more often


START = Place(cursor=0, phase=Phase.OPEN, uninformed=False)


def find_place(plan: Plan, conversation: Conversation) -> Place:
    """The place after the whole conversation."""
    place = START
    calls: dict[str, ToolCall] = {}
    for message in conversation:
        match message:
            case AssistantMessage(tool_calls=()):
                place = _after_text(plan, place, message.text)
            case AssistantMessage():
                calls.update((call.call_id, call) for call in message.tool_calls)
            case UserMessage(tool_calls=()):
                place = _after_reply(place, message.text)
            case UserMessage() | ToolMessage(side="user"):
                # the user's own doings, which the actor does not see
                continue
            case ToolMessage():
                call = calls.get(message.call_id)
                if call is not None:
                    place = _after_call(plan, place, call, refused=message.is_error)
            case _:
                assert_never(message)
    return place


def _after_call(plan: Plan, place: Place, call: ToolCall, *, refused: bool) -> Place:
    kind = plan.kind(call.name)
    if kind == "transfer" and not refused:
        return replace(place, phase=Phase.TRANSFERRED)
    index = plan.find(Call(name=call.name, arguments=call.arguments), start=place.cursor)
    if index is not None:
        # done; or refused although it is gold, and then trying again would not help
        return _moved(plan, place, left_out_up_to=index, cursor=index + 1, phase=Phase.OPEN)
    under = plan.items[place.cursor].kind if place.cursor < len(plan.items) else "closing"
    if kind == "write" and under == "write" and not refused:
        # done wrongly, and nobody noticed
        return replace(place, cursor=place.cursor + 1, phase=Phase.OPEN)
    return replace(place, phase=Phase.CAREFUL) if kind == "write" or under == "read" else place


def _after_text(plan: Plan, place: Place, text: str) -> Place:
    if text in (HANDOVER, GOODBYE):
        return replace(place, phase=Phase.LEFT)
    if text.endswith(ANYTHING_ELSE):
        return _moved(plan, place, left_out_up_to=len(plan.items), cursor=len(plan.items), phase=Phase.CLOSED)
    ahead = [index for index in plan.proposals.get(text, ()) if index >= place.cursor]
    if ahead:
        return _moved(plan, place, left_out_up_to=ahead[0], cursor=ahead[0], phase=Phase.ASKED)
    return replace(place, phase=Phase.ASKED) if text.endswith(ASK) else place


def _after_reply(place: Place, text: str) -> Place:
    if place.phase is Phase.CLOSED:
        return replace(place, phase=Phase.REMINDED)
    if place.phase is not Phase.ASKED:
        return place
    if text.lower().startswith("yes"):
        return replace(place, phase=Phase.CONFIRMED)
    return replace(place, phase=Phase.QUESTIONED if text.endswith("?") else Phase.CORRECTED)


def _moved(plan: Plan, place: Place, *, left_out_up_to: int, cursor: int, phase: Phase) -> Place:
    left_out = plan.items[place.cursor : left_out_up_to]
    uninformed = place.uninformed or any(item.kind == "read" for item in left_out)
    return Place(cursor=cursor, phase=phase, uninformed=uninformed)
