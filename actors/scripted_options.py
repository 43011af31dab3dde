"""What a scripted actor may do at each place of its plan, and how likely: the finite distribution behind every draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from actors.scripted_errors import MOST, ErrorKind, Profile
from actors.scripted_place import Phase, Place
from actors.scripted_plan import CHECKED, GOODBYE, HANDOVER, Call, Move, Plan, Say, closing, proposal
from actors.scripted_slips import Slips, shown_ids, unwarranted_write
from rollouts.episode import Conversation

UNFOUNDED = "I am not convinced by this step."
# how the scripted critic's false alarms begin; all other feedback is taken to be right
_SEEN_SHARE = 0.7
# of the slips in a write, so many put in an id that the conversation has shown; the rest has an altered number
_UNCHECKED = 2 / 3
# of the writes that come without a question, so many have a slip in them
_AFTER_A_YES = 0.5
# times wrong_argument: a slip is rarer in a call whose arguments have just been read out
_UNINFORMED = 2.0
# times every mistake, once a read has been left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing the actor may do next."""

    chance: float
    move: Move
    kind: ErrorKind | None
    # None: the right thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A plan and the mistakes made in it."""

    plan: Plan
    profile: Profile
    slips: Slips

    def right(self, place: Place) -> Move:
        """What an actor without mistakes does."""
        if place.phase is Phase.TRANSFERRED:
            return Say(text=HANDOVER)
        if place.phase is Phase.LEFT:
            return Say(text=GOODBYE)
        if place.cursor == len(self.plan.items):
            return Say(text=self.plan.closing)
        item = self.plan.items[place.cursor]
        if item.kind != "write" or place.phase in (Phase.CONFIRMED, Phase.CAREFUL):
            return item.call
        return Say(text=CHECKED + item.proposal if place.phase is Phase.QUESTIONED else item.proposal)

    def options(self, place: Place, conversation: Conversation) -> list[Option]:
        """Distinct moves whose chances sum to 1, the right one first (a blind spot's stands alone)."""
        blind = self._blind(place, conversation)
        if blind:
            return [blind]
        factor = _UNINFORMED if place.uninformed else 1.0
        mistakes = _weighted(self._mistakes(place, conversation), factor)
        total = sum(mistake.chance for mistake in mistakes)
        if total > MOST:
            mistakes = [replace(mistake, chance=mistake.chance * MOST / total) for mistake in mistakes]
        right = Option(chance=1 - min(total, MOST), move=self.right(place), kind=None)
        return _merged([right, *mistakes])

    def heeding(self, options: Sequence[Option], place: Place, feedback: str) -> list[Option]:
        """The options once the critic has objected: mostly the right move; after an unfounded objection, more mistakes."""
        rates = self.profile.rates
        if not feedback.startswith(UNFOUNDED):
            right = Option(chance=1 - rates.ignored_feedback, move=self.right(place), kind=None)
            return _merged([right, *_weighted(options, rates.ignored_feedback)])
        mistakes = [option for option in options if option.kind]
        total = sum(option.chance for option in mistakes)
        misled = rates.misled_by_feedback if mistakes else 0.0
        return _merged([*_weighted(options, 1 - misled), *_weighted(mistakes, misled / total if total else 0.0)])

    # -- mistakes -----------------------------------------------------------------------------------------------------

    def _mistakes(self, place: Place, conversation: Conversation) -> list[Option]:
        """Chance mistakes. None once the user has put the actor right at this item, and none on its way out."""
        at_end = place.cursor == len(self.plan.items)
        kind = "closing" if at_end else self.plan.items[place.cursor].kind
        match kind, place.phase:
            case "closing", Phase.OPEN:
                return self._at_closing()
            case "read", Phase.OPEN:
                return self._at_read(place, conversation)
            case "write", Phase.OPEN:
                return self._before_write(place, conversation)
            case "write", Phase.CONFIRMED:
                return self._at_write(place, conversation)
            case "write", Phase.CAREFUL:
                return [self._skipping(place, conversation)]
            case _:
                return []

    def _at_closing(self) -> list[Option]:
        mistakes: list[Option] = []
        info = self.plan.info
        texts = {closing(info[:-1]), closing(info[1:])} if info else set()
        for text in sorted(texts):
            chance = self.profile.rates.missing_information / len(texts)
            mistakes.append(Option(chance=chance, move=Say(text=text), kind=ErrorKind.MISSING_INFORMATION))
        unwarranted = unwarranted_write(self.plan)
        if unwarranted:
            mistakes.append(Option(chance=self.profile.rates.wrong_tool, move=unwarranted, kind=ErrorKind.WRONG_TOOL))
        return mistakes

    def _at_read(self, place: Place, conversation: Conversation) -> list[Option]:
        rates = self.profile.rates
        skip = self._next(place, conversation)
        mistakes = [Option(chance=rates.skipped_read, move=skip, kind=ErrorKind.SKIPPED_READ)]
        useless = self.slips.altered[place.cursor]
        if useless:
            mistakes.append(Option(chance=rates.useless_read, move=useless, kind=ErrorKind.USELESS_READ))
        return mistakes

    def _before_write(self, place: Place, conversation: Conversation) -> list[Option]:
        rates = self.profile.rates
        call = self.plan.items[place.cursor].call
        wrong = self._wrong_calls(place, conversation)
        unconfirmed = [(1 - _UNCHECKED, call), *((weight * _UNCHECKED, slip) for weight, slip in wrong)]
        return [
            *(_say_wrong(weight * rates.wrong_argument, slip) for weight, slip in wrong),
            *(
                Option(chance=weight * rates.unconfirmed_write, move=move, kind=ErrorKind.UNCONFIRMED_WRITE)
                for weight, move in unconfirmed
            ),
            self._skipping(place, conversation),
            *self._leaving(),
        ]

    def _at_write(self, place: Place, conversation: Conversation) -> list[Option]:
        rate = self.profile.rates.wrong_argument * _AFTER_A_YES
        mistakes = [
            Option(chance=weight * rate, move=call, kind=ErrorKind.WRONG_ARGUMENT)
            for weight, call in self._wrong_calls(place, conversation)
        ]
        neighbour = self.slips.neighbouring[place.cursor]
        if neighbour:
            mistakes.append(Option(chance=self.profile.rates.wrong_tool, move=neighbour, kind=ErrorKind.WRONG_TOOL))
        return mistakes

    def _skipping(self, place: Place, conversation: Conversation) -> Option:
        """Goes on as if the write were done; after a refusal: gives up."""
        following = self._next(place, conversation)
        return Option(chance=self.profile.rates.skipped_write, move=following, kind=ErrorKind.SKIPPED_WRITE)

    def _leaving(self) -> list[Option]:
        rates = self.profile.rates
        goodbye = Option(chance=rates.premature_goodbye, move=Say(text=GOODBYE), kind=ErrorKind.PREMATURE_GOODBYE)
        if self.plan.transfer is None:
            return [goodbye]
        transfer = self.plan.transfer
        return [
            goodbye,
            Option(chance=rates.premature_transfer, move=transfer, kind=ErrorKind.PREMATURE_TRANSFER),
        ]

    def _wrong_calls(self, place: Place, conversation: Conversation) -> list[tuple[float, Call]]:
        """The slips possible at the write under the cursor; their weights sum to 1 (or there are none)."""
        seen = self.slips.seen(place.cursor, shown_ids(conversation))
        changed = self.slips.altered[place.cursor]
        others = [changed] if changed else []
        share = _SEEN_SHARE if others else 1.0
        return [
            *((share / len(seen), call) for call in seen),
            *((1 - share if seen else 1.0, call) for call in others),
        ]

    # -- blind spots and what is left out -----------------------------------------------------------------------------

    def _next(self, place: Place, conversation: Conversation) -> Move:
        """What follows when the item under the cursor is left out: the next one, or its blind spot."""
        after = replace(place, cursor=place.cursor + 1, phase=Phase.OPEN)
        blind = self._blind(after, conversation)
        return blind.move if blind else self.right(after)

    def _blind(self, place: Place, conversation: Conversation) -> Option | None:
        for spot in self.profile.blind_spots:
            if spot.cursor == place.cursor:
                move = self._blind_move(place, conversation, spot.kind)
                return Option(chance=1.0, move=move, kind=spot.kind) if move else None
        return None

    def _blind_move(self, place: Place, conversation: Conversation, kind: ErrorKind) -> Move | None:
        """The mistake made here every time; None at a phase where there is nothing left to do wrong."""
        match kind, place.phase:
            case ErrorKind.MISSING_INFORMATION, Phase.OPEN | Phase.REMINDED:
                return Say(text=closing(self.plan.info[:-1]))
            case ErrorKind.WRONG_TOOL, Phase.OPEN:
                return unwarranted_write(self.plan)
            case ErrorKind.SKIPPED_WRITE, Phase.OPEN:
                return self._next(place, conversation)
            case ErrorKind.PREMATURE_GOODBYE, Phase.OPEN:
                return Say(text=GOODBYE)
            case ErrorKind.PREMATURE_TRANSFER, Phase.OPEN:
                return self.plan.transfer
            case ErrorKind.WRONG_ARGUMENT, Phase.OPEN:
                wrong = self._wrong_calls(place, conversation)
                return wrong[0][1] if wrong else self._next(place, conversation)
            case ErrorKind.WRONG_ARGUMENT, Phase.CAREFUL:
                # refused: gives up
                return self._next(place, conversation)
            case _:
                return None


def _say_wrong(chance: float, call: Call) -> Option:
    return Option(chance=chance, move=Say(text=proposal(call)), kind=ErrorKind.WRONG_ARGUMENT)


def _weighted(options: Iterable[Option], weight: float) -> list[Option]:
    return [replace(option, chance=option.chance * weight) for option in options]


def _merged(options: Iterable[Option]) -> list[Option]:
    """Equal moves as one option, under the first one's kind; impossible ones left out."""
    merged: list[Option] = []
    for option in options:
        if option.chance <= 0:
            continue
        for index, other in enumerate(merged):
            if other.move == option.move:
                merged[index] = replace(other, chance=other.chance + option.chance)
                break
        else:
            merged.append(option)
    return merged
