"""A segment under every kind of damage: what is sound is read, nothing else, and nothing is made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import Draft
from rollouts.protocols import Answer
from storage.answers import decode_answers, encode_answers
from storage.journal_segments import Block, in_segments, pack_block, read_segment, unpack_block
from tests.conformance.journal import ANSWERS

BLOCKS = [
    pack_block("a" * 32, list(ANSWERS.items())),
    pack_block("é-item", [("t0/0/actor/0", Draft(text="trj1 trj1 trj1"))]),
    pack_block("c" * 32, [(f"t0/{step}/actor/0", Draft(text="x" * step)) for step in range(40)]),
]
SEGMENT = b"".join(block.data for block in BLOCKS)
ENDS = [len(BLOCKS[0].data), len(BLOCKS[0].data) + len(BLOCKS[1].data), len(SEGMENT)]


def answers_of(block: Block) -> dict[str, Answer]:
    return dict(unpack_block(block))


def test_a_sound_segment_is_read_whole() -> None:
    segment = read_segment(SEGMENT)
    assert (list(segment.blocks), segment.lost_bytes) == (BLOCKS, 0)
    assert answers_of(segment.blocks[0]) == ANSWERS
    assert [block.num_answers for block in segment.blocks] == [len(ANSWERS), 1, 40]


def test_a_torn_segment_gives_the_blocks_before_the_tear() -> None:
    for length in range(len(SEGMENT)):
        segment = read_segment(SEGMENT[:length])
        whole = sum(end <= length for end in ENDS)
        assert list(segment.blocks) == BLOCKS[:whole]
        assert segment.lost_bytes == length - [0, *ENDS][whole]


@given(st.integers(0, len(SEGMENT) * 8 - 1))
def test_a_flipped_bit_costs_the_block_it_is_in_and_no_other(bit: int) -> None:
    data = bytearray(SEGMENT)
    data[bit // 8] ^= 1 << bit % 8
    hit = sum(end <= bit // 8 for end in ENDS)
    segment = read_segment(bytes(data))
    assert list(segment.blocks) == [block for number, block in enumerate(BLOCKS) if number != hit]
    assert segment.lost_bytes == len(BLOCKS[hit].data)


@given(st.binary(max_size=200), st.integers(0, len(BLOCKS)))
def test_what_is_no_block_is_stepped_over(noise: bytes, place: int) -> None:
    parts = [block.data for block in BLOCKS]
    segment = read_segment(b"".join([*parts[:place], noise, *parts[place:]]))
    assert list(segment.blocks) == BLOCKS
    assert segment.lost_bytes == len(noise)


def test_equal_answers_make_equal_bytes() -> None:
    assert pack_block("a" * 32, list(ANSWERS.items())) == BLOCKS[0]


@pytest.mark.parametrize(
    "data", [b"[", b"7", b'[["place","draft"]]', b'[["place","song",{}]]', b'[["place","draft",{"a":1}]]']
)
def test_answers_in_an_unknown_form_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"unknown form|unexpected end"):
        decode_answers(data)


def test_an_empty_list_of_answers_is_one() -> None:
    assert decode_answers(encode_answers([])) == []


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 120))
def test_blocks_are_filled_into_segments_in_order_and_none_is_lost(sizes: list[int], max_bytes: int) -> None:
    blocks = [Block(item_id=str(number), num_answers=1, data=bytes(size)) for number, size in enumerate(sizes)]
    groups = list(in_segments(blocks, max_bytes=max_bytes))
    assert [block for group in groups for block in group] == blocks
    for group in groups:
        assert len(group) == 1 or sum(len(block.data) for block in group) <= max_bytes
