"""A scripted user: opens with its task's scenario, answers what is asked, confirms, and stops when all is done.

It objects to every proposal that is not in the gold plan, so a mistake put into words costs a turn and not the task. Its
chances are few and seeded: how it words things, whether it asks back before a "yes", whether it misses what it was not told.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeAlias

from actors.scripted_errors import chance
from actors.scripted_plan import ANYTHING_ELSE, ASK, GOODBYE, HANDOVER, Plan, gold_plan, opening_parts
from rollouts.episode import AssistantMessage, Briefing, Conversation, Draft, Task, ToolSpec, UserMessage

STOP = "###STOP###"
TRANSFER = "###TRANSFER###"
# τ²'s tokens for the end of a conversation (its user simulator guidelines)
HESITATION = "Before I say yes: are you sure that all of this is right?"
REMINDER = "You have not told me everything that I asked for. What about the rest?"
PLEASE_GO_ON = "Okay. Please go on."

Replies: TypeAlias = tuple[tuple[float, str], ...]
_CONFIRMATION: Replies = ((0.7, "Yes, please go ahead."), (0.3, "Yes, that is right."))


class ScriptedUser:
    """Implements `rollouts.protocols.Policy`."""

    def __init__(self, task: Task, *, hesitates: float = 0.12, reminds: float = 0.35) -> None:
        """`hesitates`: chance to ask back once before a yes; `reminds`: chance to ask once for what was left untold."""
        self._task = task
        self._hesitates = hesitates
        self._reminds = reminds
        self._known: tuple[tuple[ToolSpec, ...], Plan] | None = None

    @property
    def identity(self) -> str:
        return "scripted:user"

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """A reply drawn from `outcomes` by the seed; nobody criticises a user, so `feedback` changes nothing."""
        drawn = chance(seed, "user")
        replies = self._replies(conversation, briefing)
        for probability, text in replies:
            drawn -= probability
            if drawn < 0:
                return Draft(text=text)
        return Draft(text=replies[-1][1])

    def outcomes(self, conversation: Conversation, briefing: Briefing) -> tuple[tuple[float, Draft], ...]:
        """Every reply that `act` may give here, with its probability."""
        return tuple((probability, Draft(text=text)) for probability, text in self._replies(conversation, briefing))

    def memory(self, conversation: Conversation) -> Hashable:
        """All of the conversation that the replies to the actor's next messages depend on."""
        for message in reversed(conversation):
            if isinstance(message, UserMessage):
                return message.text if message.text in (HESITATION, REMINDER) else ""
        return None

    def _replies(self, conversation: Conversation, briefing: Briefing) -> Replies:
        if not conversation:
            return self._opening()
        last = conversation[-1]
        if not isinstance(last, AssistantMessage):
            return ((1.0, PLEASE_GO_ON),)
        text = last.text
        if text == HANDOVER:
            return ((1.0, f"Thank you, I will hold. {TRANSFER}"),)
        if text == GOODBYE:
            return ((1.0, f"Goodbye. {STOP}"),)
        plan = self._plan(briefing)
        if text.endswith(ANYTHING_ELSE):
            return self._after_closing(plan, text, self.memory(conversation))
        if text.endswith(ASK):
            return self._after_proposal(plan, text, self.memory(conversation))
        return ((1.0, PLEASE_GO_ON),)

    def _opening(self) -> Replies:
        reason, known = opening_parts(self._task)
        return ((0.6, f"Hello! {reason} {known}".strip()), (0.4, f"Hi. {known} {reason}".replace("  ", " ")))

    def _after_closing(self, plan: Plan, text: str, mood: Hashable) -> Replies:
        stop = f"No, that is everything. Thank you! {STOP}"
        plain = text.lower().replace(",", "")
        if mood == REMINDER or self._reminds == 0 or all(info.lower() in plain for info in plan.info):
            return ((1.0, stop),)
        return ((1 - self._reminds, stop), (self._reminds, REMINDER))

    def _after_proposal(self, plan: Plan, text: str, mood: Hashable) -> Replies:
        if text not in plan.proposals:
            return ((1.0, _correction(plan, text)),)
        if mood == HESITATION or self._hesitates == 0:
            return _CONFIRMATION
        agreed = tuple((probability * (1 - self._hesitates), reply) for probability, reply in _CONFIRMATION)
        return (*agreed, (self._hesitates, HESITATION))

    def _plan(self, briefing: Briefing) -> Plan:
        if self._known is None or self._known[0] is not briefing.tools:
            self._known = briefing.tools, gold_plan(self._task, briefing)
        return self._known[1]


def _correction(plan: Plan, text: str) -> str:
    """Names the details of the wanted write that is most like the proposal."""
    if not plan.writes:
        return "No, I did not ask for that."
    lines = set(text.splitlines())
    wanted = [plan.items[index].proposal.splitlines() for index in plan.writes]
    nearest = max(wanted, key=lambda proposal: len(lines.intersection(proposal)))
    return "\n".join(["No, that is not right. It should be:", *nearest[1:-1]])
