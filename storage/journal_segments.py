"""One segment of a journal: blocks, each the answers of one item, each telling its own length and checksum.

    block = "trj1" · crc32 of all that follows · length of the item's id · number of answers · raw length · length · id · zstd(JSON)

A block can be copied from segment to segment as it is, and two copies are equal bytes. What follows a damaged place is found again
by the next block's first four bytes, so a flipped bit or a torn end costs the blocks it hit and no other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from storage.answers import Placed, decode_answers, encode_answers

_MAGIC = b"trj1"
_HEAD = struct.Struct("<4sIHIII")
_CHECKED_FROM = 8
# bytes before it: magic and the checksum itself
_ZSTD_LEVEL = 1
# blocks are small: level 3 takes the same time to make them and saves nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Answers of one item, packed."""

    item_id: str
    num_answers: int
    data: bytes
    # the whole block, as it stands in a segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    blocks: tuple[Block, ...]
    # those that are sound, in order
    lost_bytes: int
    # what lies between them and cannot be read


def pack_block(item_id: str, placed: Sequence[Placed]) -> Block:
    raw = encode_answers(placed)
    packed: bytes = pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(raw, asbytes=True)
    name = item_id.encode()
    head = _HEAD.pack(_MAGIC, 0, len(name), len(placed), len(raw), len(packed))
    checked = head[_CHECKED_FROM:] + name + packed
    data = _MAGIC + struct.pack("<I", zlib.crc32(checked)) + checked
    return Block(item_id=item_id, num_answers=len(placed), data=data)


def unpack_block(block: Block) -> list[Placed]:
    """ValueError when the answers are in a form that this program does not know."""
    *_, name_length, _, raw_length, _ = _HEAD.unpack_from(block.data)
    packed = block.data[_HEAD.size + name_length :]
    raw: bytes = pa.Codec("zstd").decompress(packed, decompressed_size=raw_length, asbytes=True)
    return decode_answers(raw)


def read_segment(data: bytes) -> Segment:
    """Whatever of it is sound; never raises."""
    blocks: list[Block] = []
    position = lost = 0
    while position < len(data):
        block = _block_at(data, position)
        if block is None:
            found = data.find(_MAGIC, position + 1)
            following = len(data) if found < 0 else found
            lost += following - position
            position = following
        else:
            blocks.append(block)
            position += len(block.data)
    return Segment(blocks=tuple(blocks), lost_bytes=lost)


def _block_at(data: bytes, start: int) -> Block | None:
    """None: there is no sound block here."""
    if start + _HEAD.size > len(data):
        return None
    magic, checksum, name_length, num_answers, _, length = _HEAD.unpack_from(data, start)
    end = start + _HEAD.size + name_length + length
    if magic != _MAGIC or end > len(data) or zlib.crc32(memoryview(data)[start + _CHECKED_FROM : end]) != checksum:
        return None
    name = data[start + _HEAD.size : start + _HEAD.size + name_length]
    return Block(item_id=name.decode(), num_answers=num_answers, data=data[start:end])


def in_segments(blocks: Iterable[Block], *, max_bytes: int) -> Iterator[list[Block]]:
    """The blocks in order, as many to a segment as it may hold; one that is larger has a segment of its own."""
    filled: list[Block] = []
    size = 0
    for block in blocks:
        if filled and size + len(block.data) > max_bytes:
            yield filled
            filled, size = [], 0
        filled.append(block)
        size += len(block.data)
    if filled:
        yield filled
