"""What every `Journal` that remembers must do. A test class inherits `JournalSuite` and provides the fixture `open_journal`.

`NoJournal` is no such journal: it remembers nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest

from rollouts.episode import Approve, Draft, PaidReply, Revise, ToolCall, Usage
from rollouts.protocols import Answer, Journal, Judgement, Ruling

OpenJournal: TypeAlias = Callable[[], Journal]
# another worker's, in another process as far as it can tell: only the place is shared

USAGE = Usage(
    calls=2,
    prompt_tokens=1234,
    completion_tokens=56,
    cached_tokens=1000,
    cost_usd=0.1 + 0.2,
    replies=(
        PaidReply(model="m/large", prompt_tokens=1234, finish_reason="stop", attempts=3, wait_s=0.25, latency_s=1 / 3),
        PaidReply(model="m", cost_usd=None),
    ),
)
ODD_TEXTS = ["", "\x00\x1f\x7f", "käse — 👍🏽 \u2028", "\ud83d alone", "\ud83d\ude00 in two halves", "\ufeff", '"\\/\n']
ANSWERS: dict[str, Answer] = {
    "t0/0/opening/0": Draft(text="Hello", reasoning="say hello", usage=USAGE),
    "t0/0/actor/0": Draft(
        text="",
        tool_calls=(
            ToolCall(call_id="c1", name="find", arguments={"z": [1, 2.0, None, True], "a": {"x": "ü"}}),
            ToolCall(call_id="", name="none", arguments={}),
        ),
        usage=USAGE,
    ),
    "t0/0/critic/0": Judgement(verdict=Revise(feedback="Ask first"), usage=USAGE, score=0.25),
    "t0/0/critic/1": Judgement(verdict=Approve(), usage=USAGE),
    "t0/0/critic/2": Judgement(verdict=None, usage=USAGE),
    "t0/3/judge/0": Ruling(met=(True, False), usage=USAGE),
    "t1/3/judge/0": Ruling(met=None, usage=USAGE),
}


async def recalled(journal: Journal, item_id: str) -> dict[str, Answer]:
    return dict(await asyncio.to_thread(journal.recall, item_id))


class JournalSuite:
    async def test_what_was_appended_is_recalled_by_another_worker_as_it_was(self, open_journal: OpenJournal) -> None:
        writer = open_journal()
        for place, answer in ANSWERS.items():
            writer.append("item", place, answer)
        await writer.close()
        assert await recalled(open_journal(), "item") == ANSWERS

    async def test_what_was_just_appended_is_recalled_by_the_same_worker(self, open_journal: OpenJournal) -> None:
        journal = open_journal()
        for place, answer in ANSWERS.items():
            journal.append("item", place, answer)
        assert await recalled(journal, "item") == ANSWERS
        await journal.close()
        assert await recalled(journal, "item") == ANSWERS

    async def test_an_item_that_was_never_played_has_no_answers(self, open_journal: OpenJournal) -> None:
        journal = open_journal()
        assert await recalled(journal, "item") == {}
        journal.append("item", "t0/0/actor/0", Draft(text="a"))
        await journal.close()
        assert await recalled(journal, "other") == await recalled(open_journal(), "other") == {}

    async def test_items_and_workers_do_not_mix(self, open_journal: OpenJournal) -> None:
        first, second = open_journal(), open_journal()
        for number, journal in enumerate([first, second, first, second]):
            journal.append(f"item-{number}", "t0/0/actor/0", Draft(text=f"of {number}"))
        await first.close()
        await second.close()
        for number in range(4):
            wanted = {"t0/0/actor/0": Draft(text=f"of {number}")}
            assert await recalled(open_journal(), f"item-{number}") == wanted

    async def test_an_item_that_moves_is_recalled_whole_wherever_it_was_played(self, open_journal: OpenJournal) -> None:
        wanted: dict[str, Answer] = {}
        for number in range(3):
            journal = open_journal()
            assert await recalled(journal, "item") == wanted
            place = f"t0/{number}/actor/0"
            wanted[place] = Draft(text=f"{number}")
            journal.append("item", place, wanted[place])
            assert await recalled(journal, "item") == wanted
            await journal.close()
        assert await recalled(open_journal(), "item") == wanted

    async def test_what_comes_after_a_recall_is_recalled_next_time(self, open_journal: OpenJournal) -> None:
        reader, writer = open_journal(), open_journal()
        assert await recalled(reader, "item") == {}
        writer.append("item", "t0/0/actor/0", Draft(text="late"))
        await writer.close()
        assert await recalled(reader, "item") == {"t0/0/actor/0": Draft(text="late")}

    async def test_settling_one_item_takes_nothing_from_another(self, open_journal: OpenJournal) -> None:
        journal = open_journal()
        for item_id in ("done", "open"):
            for place, answer in ANSWERS.items():
                journal.append(item_id, place, answer)
        journal.settled("done")
        assert await recalled(journal, "open") == ANSWERS
        await journal.close()
        assert await recalled(open_journal(), "open") == ANSWERS

    async def test_settling_what_was_never_appended_is_no_error(self, open_journal: OpenJournal) -> None:
        journal = open_journal()
        journal.settled("item")
        await journal.close()

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_any_text_comes_back_as_it_was(self, open_journal: OpenJournal, text: str) -> None:
        call = ToolCall(call_id=text, name=text, arguments={text: [text]})
        answers: dict[str, Answer] = {
            "t0/0/actor/0": Draft(text=text, reasoning=text, tool_calls=(call,)),
            "t0/0/critic/0": Judgement(verdict=Revise(feedback=text), usage=USAGE),
        }
        writer = open_journal()
        for place, answer in answers.items():
            writer.append("item", place, answer)
        await writer.close()
        assert await recalled(open_journal(), "item") == answers

    async def test_numbers_that_json_finds_hard_come_back_as_they_were(self, open_journal: OpenJournal) -> None:
        numbers = {
            "long": 1 << 80,
            "least": -(1 << 63),
            "tiny": 5e-324,
            "zero": -0.0,
            "infinite": float("-inf"),
            "one": 1.0,
        }
        writer = open_journal()
        writer.append("item", "t0/0/actor/0", Draft(text="", tool_calls=(_call(numbers),)))
        await writer.close()
        [answer] = (await recalled(open_journal(), "item")).values()
        assert isinstance(answer, Draft)
        assert repr(dict(answer.tool_calls[0].arguments)) == repr(numbers)

    async def test_an_answer_of_ten_megabytes_comes_back_as_it_was(self, open_journal: OpenJournal) -> None:
        text = "".join(f"{number:x} 👍 " for number in range(1_200_000))
        assert len(text.encode()) > 10_000_000
        writer = open_journal()
        writer.append("item", "t0/0/actor/0", Draft(text=text))
        await writer.close()
        assert await recalled(open_journal(), "item") == {"t0/0/actor/0": Draft(text=text)}


def _call(arguments: dict[str, int | float]) -> ToolCall:
    return ToolCall(call_id="c", name="f", arguments=dict(arguments))
