"""The actor of the known-values world: takes the options of its task's plan with the chances written there.

What it does is a function of the last line it was told (`words`), and its distribution can be listed: so values are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.environments.known_values.course import Course
from actors.environments.known_values.draws import Outcomes, calling, described, draw
from actors.environments.known_values.plan import LETTERS, Plan, plan_of
from actors.environments.known_values.words import ADVICE, GOODBYE, line, openings, question, statement
from rollouts.episode import Briefing, Conversation, Draft, Task, ToolMessage, UserMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing the actor may do."""

    chance: float
    draft: Draft
    good: bool
    # it does what is wanted, and leaves nothing undone that could be done


class KnownActor:
    """Implements `rollouts.protocols.Policy` for one task."""

    def __init__(self, task: Task) -> None:
        """UsageError when the task is none of this world."""
        self._plan = plan_of(task)
        self._places = _places(self._plan)
        self._choices: dict[str, tuple[Choice, ...]] = {}
        self._outcomes: dict[str, Outcomes] = {}

    @property
    def identity(self) -> str:
        return "known_values:actor"

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """A draft drawn from `outcomes` by the seed."""
        return draw(self.outcomes(conversation, briefing, feedback), seed=seed)

    def outcomes(
        self, conversation: Conversation, briefing: Briefing, feedback: Sequence[str] = ()
    ) -> tuple[tuple[float, Draft], ...]:
        """Every draft that `act` may give here, with its probability: distinct actions, probabilities that sum to 1."""
        told = self.last_told(conversation)
        return self._heeding(told, feedback[-1]) if feedback else self.after(told)

    def after(self, told: str) -> Outcomes:
        """The distribution after a line of `words`."""
        if told not in self._outcomes:
            self._outcomes[told] = tuple((choice.chance, choice.draft) for choice in self.choices(told))
        return self._outcomes[told]

    def choices(self, told: str) -> tuple[Choice, ...]:
        if told not in self._choices:
            self._choices[told] = _choices(self._plan, self._places[told])
        return self._choices[told]

    def last_told(self, conversation: Conversation) -> str:
        """The last line that says where the play stands. Refusals and other talk change nothing."""
        for message in reversed(conversation):
            match message:
                case UserMessage(text=told) | ToolMessage(content=told, side="actor") if told in self._places:
                    return told
                case _:
                    continue
        return line(Course())

    def _heeding(self, told: str, feedback: str) -> Outcomes:
        """The advised action with the chance that advice is taken; whatever advice does not name is not one's own choice."""
        heeds, choices = self._plan.rules.heeds, self.choices(told)
        if not any(feedback == ADVICE + described(choice.draft) for choice in choices):
            return self.after(told)
        heeded = ((1 - heeds) * c.chance + heeds * (feedback == ADVICE + described(c.draft)) for c in choices)
        return tuple((p, c.draft) for p, c in zip(heeded, choices, strict=True) if p > 0)


def _places(plan: Plan) -> dict[str, Course]:
    """Line → what the actor knows when it was the last it was told."""
    steps = plan.rules.recovery_steps
    known = [Course(stage=stage) for stage in range(plan.depth + 1)]
    alarms = [replace(place, shown=1, tries=tries) for place in known for tries in range(steps + 1)]
    repairs = [replace(place, repairing=True) for place in alarms]
    return {line(place): place for place in (*known, *alarms, *repairs)} | dict.fromkeys(openings(), Course())


def _choices(plan: Plan, place: Course) -> tuple[Choice, ...]:
    if place.repairing:
        return (Choice(chance=1.0, draft=Draft(text=question(place.stage, place.tries)), good=True),)
    rules, found = plan.rules, []
    if place.shown and place.tries:
        call = calling("repair", f"{place.stage}-{place.tries}")
        found.append(Choice(chance=rules.diligence, draft=call, good=True))
    if place.shown:
        found.append(Choice(chance=rules.gives_up, draft=calling("transfer_to_human", str(place.stage)), good=False))
    goes_on = 1 - sum(choice.chance for choice in found)
    leaves_undone = bool(place.shown and place.tries)
    for probability, draft, fine in _ahead(plan, place.stage):
        found.append(Choice(chance=goes_on * probability, draft=draft, good=fine and not leaves_undone))
    return tuple(choice for choice in found if choice.chance > 0)


def _ahead(plan: Plan, stage: int) -> list[tuple[float, Draft, bool]]:
    if stage == plan.depth:
        return [(1.0, Draft(text=GOODBYE), True)]
    here = plan.stages[stage]
    drafts = [_option(plan, stage, option) for option in range(len(here.chances))]
    return list(zip(here.chances, drafts, here.fine, strict=True))


def _option(plan: Plan, stage: int, option: int) -> Draft:
    match plan.stages[stage].kind:
        case "message":
            return Draft(text=statement(stage, option))
        case "read":
            return calling("look_up", str(stage), stage=stage, option=LETTERS[option])
        case "write":
            return calling("act", str(stage), stage=stage, option=LETTERS[option])
