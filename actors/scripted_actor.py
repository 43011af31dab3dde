"""A scripted actor: a stand-in for an LLM that follows its task's gold plan and errs at known rates.

What it does next is a pure function of (task, conversation, seed, feedback), and its distribution over next actions is
finite and can be listed, so that true action values can be computed by brute force.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from actors.scripted_errors import Difficulty, ErrorRates, chance, grade
from actors.scripted_options import Option, Script
from actors.scripted_place import find_place
from actors.scripted_plan import Move, Plan, Say, gold_plan
from actors.scripted_slips import Slips, shown_ids
from rollouts.episode import AssistantMessage, Briefing, Conversation, Draft, Task, ToolCall, ToolSpec


class ScriptedActor:
    """Implements `rollouts.protocols.Policy`."""

    def __init__(self, task: Task, *, errors: ErrorRates, difficulty: Difficulty, seed: int) -> None:
        self._task = task
        self._errors = errors
        self._difficulty = difficulty
        self._seed = seed
        self._known: tuple[tuple[ToolSpec, ...], Script] | None = None

    @property
    def identity(self) -> str:
        return "scripted:actor"

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """A draft drawn from `outcomes` by the seed."""
        drawn = chance(seed, "actor")
        options = self.options(conversation, briefing, feedback)
        for option in options:
            drawn -= option.chance
            if drawn < 0:
                return _draft(option.move, conversation)
        return _draft(options[-1].move, conversation)

    def outcomes(
        self, conversation: Conversation, briefing: Briefing, feedback: Sequence[str] = ()
    ) -> tuple[tuple[float, Draft], ...]:
        """Every draft that `act` may give here, with its probability: distinct actions, probabilities that sum to 1."""
        options = self.options(conversation, briefing, feedback)
        return tuple((option.chance, _draft(option.move, conversation)) for option in options)

    def options(self, conversation: Conversation, briefing: Briefing, feedback: Sequence[str] = ()) -> list[Option]:
        """Like `outcomes`, with the kind of mistake that each option is."""
        script = self.script(briefing)
        place = find_place(script.plan, conversation)
        options = script.options(place, conversation)
        return script.heeding(options, place, feedback[-1]) if feedback else options

    def right_draft(self, conversation: Conversation, briefing: Briefing) -> Draft:
        """What an actor without mistakes would do here."""
        script = self.script(briefing)
        return _draft(script.right(find_place(script.plan, conversation)), conversation)

    def memory(self, conversation: Conversation, briefing: Briefing) -> Hashable:
        """With the environment's key, all of the conversation that the actor's future and the reward depend on."""
        script = self.script(briefing)
        plan = script.plan
        place = find_place(plan, conversation)
        shown = shown_ids(conversation)
        ahead = repr([script.slips.seen(index, shown) for index in plan.writes if index >= place.cursor])
        return place, ahead, _told(plan, conversation)

    def script(self, briefing: Briefing) -> Script:
        """The task's plan and its mistakes, made once: all briefings of a domain share their tools."""
        if self._known is None or self._known[0] is not briefing.tools:
            plan = gold_plan(self._task, briefing)
            profile = grade(plan, rates=self._errors, difficulty=self._difficulty, seed=self._seed)
            self._known = briefing.tools, Script(plan=plan, profile=profile, slips=Slips(plan))
        return self._known[1]


def _draft(move: Move, conversation: Conversation) -> Draft:
    if isinstance(move, Say):
        return Draft(text=move.text)
    # the position in the conversation: unique there, and the same in every re-play
    call = ToolCall(call_id=f"call_{len(conversation)}", name=move.name, arguments=move.arguments)
    return Draft(text="", tool_calls=(call,))


def _told(plan: Plan, conversation: Conversation) -> tuple[str, ...]:
    """What of the required information the actor has said, by accident or not (lower case, commas left out)."""
    if not plan.info:
        return ()
    said = [m.text.lower().replace(",", "") for m in conversation if isinstance(m, AssistantMessage)]
    return tuple(info for info in plan.info if any(info.lower() in text for text in said))
