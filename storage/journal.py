"""The journal of paid answers on an object store: `rollouts.protocols.Journal`.

    APPENDED (in memory) → WRITTEN (in a segment of this writer's) → forgotten once the item is settled

- `append` and `settled` cost no I/O: one background task writes what was appended, at the latest `flush_interval_s` after it came.
  A process that is killed loses no more than that. The heavy part (JSON, compression, the store) is done in a thread.
- A segment is never overwritten. A retried put has the same key and the same bytes.
- While the store fails, answers stay in memory and writing is tried again. After `outage_s`, or with more than `max_buffer_bytes`
  waiting, `failed` says so: who plays should stop asking models, so memory stays bounded and nothing paid for is lost.
- Segments of this writer's whose items are settled are deleted, and merged when most of what they hold is (storage.journal_book).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollouts.episode import Draft
from rollouts.errors import DataError, UsageError
from rollouts.protocols import Answer, Clock
from storage.answers import Placed
from storage.journal_book import SegmentBook
from storage.journal_files import put_segment, read_segments
from storage.journal_index import JournalIndex, first_answers
from storage.journal_segments import Block, in_segments, pack_block
from storage.layout import segment_key
from storage.objects import ObjectStore

_log = logging.getLogger(__name__)

MAX_PAUSE_S = 10.0
# between two attempts to write while the store fails
_MAX_DOUBLINGS = 20
_ANSWER_BYTES = 400
# what an answer holds beside its text: place, usage, reply
_UNWRITTEN = "~"
# sorts after every number: where the answers in memory stand among this writer's segments
_WRITER_ID = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """When answers are written, and how long they may wait. Bytes are estimates of what answers take in memory."""

    flush_interval_s: float = 2.0
    flush_bytes: int = 1 << 20
    # written before the interval is over when there is so much
    outage_s: float = 60.0
    max_buffer_bytes: int = 64 << 20


class StoredJournal:
    def __init__(
        self,
        store: ObjectStore,
        *,
        run_id: str,
        writer_id: str,
        clock: Clock,
        settings: JournalSettings | None = None,
        book: SegmentBook | None = None,
    ) -> None:
        """`writer_id` names this process and no other, ever: a letter, then letters, digits, '.', '_' or '-'; else ValueError."""
        if not _WRITER_ID.fullmatch(writer_id):
            raise ValueError(
                f"a writer id is a letter and up to 99 letters, digits, '.', '_' or '-', got {writer_id!r}"
            )
        self._store = store
        self._run_id = run_id
        self._writer_id = writer_id
        self._clock = clock
        self._settings = settings or JournalSettings()
        self._book = book or SegmentBook()
        self._settled: set[str] = set()
        self._index = JournalIndex(store, run_id, unneeded=self._settled)
        self._names = (f"{number:08d}" for number in itertools.count())
        self._buffer: dict[str, list[Placed]] = {}
        self._buffer_bytes = 0
        self._writing: dict[str, list[Placed]] = {}
        # the buffer before, until it is in the store under `_key`
        self._writing_bytes = 0
        self._key = ""
        self._writing_since: float | None = None
        self._refused: UsageError | None = None
        self._failures = 0
        # attempts to write, since the last that succeeded
        self._io = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._closing = False
        self._keeper: asyncio.Task[None] | None = None

    # -- what a worker calls --------------------------------------------------------------------------------------------

    def recall(self, item_id: str) -> Mapping[str, Answer]:
        # buffer first: what leaves it is in `_writing` before, and what leaves that is in the store before
        unwritten = [*self._buffer.get(item_id, ()), *self._writing.get(item_id, ())]
        here = segment_key(self._run_id, self._writer_id, _UNWRITTEN)
        return first_answers(self._index.blocks(item_id) | {pack_block(item_id, unwritten): (here, 0)})

    def append(self, item_id: str, place: str, answer: Answer) -> None:
        self._buffer.setdefault(item_id, []).append((place, answer))
        self._buffer_bytes += _ANSWER_BYTES + _text_bytes(answer)
        if self._buffer_bytes >= self._settings.flush_bytes and not self._failures:
            self._hurry.set()
        self._keep()

    def settled(self, item_id: str) -> None:
        self._settled.add(item_id)
        self._buffer.pop(item_id, None)
        self._index.forget(item_id)
        self._book.settled(item_id)
        self._keep()

    async def close(self) -> None:
        """DataError or UsageError when the store does not take what was appended: it is lost, and its calls are paid for again."""
        self._closing = True
        self._hurry.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await asyncio.wait([keeper])
        await self.flush()
        try:
            await self.tidy()
        except (DataError, UsageError) as error:
            _log.warning("the journal keeps what is not needed any more: %s", error)
        if keeper is not None and not keeper.cancelled():
            keeper.result()
            # a bug of ours travels up

    # -- what else can be asked of it -----------------------------------------------------------------------------------

    @property
    def failed(self) -> DataError | UsageError | None:
        """Why no more answers should be bought: they cannot be written. None again as soon as they could be."""
        if self._refused is not None:
            return self._refused
        waiting = self._buffer_bytes + self._writing_bytes
        if self._writing_since is None:
            return None
        late_s = self._clock() - self._writing_since
        if late_s < self._settings.outage_s and waiting <= self._settings.max_buffer_bytes:
            return None
        return DataError(
            f"the journal of run {self._run_id} could not be written for {late_s:.0f} s, and {waiting >> 10} kB of paid answers "
            "wait in memory; check the storage root, then resume the run"
        )

    async def flush(self) -> None:
        """Everything appended before is in the store. DataError or UsageError when it cannot be put there now."""
        async with self._io:
            if self._writing:
                await self._write()
            if self._buffer:
                await self._write()

    async def tidy(self) -> None:
        """Merge and delete segments as the book says. DataError or UsageError from the store; nothing is lost by it."""
        async with self._io:
            if stale := self._book.to_merge():
                await self._merge(stale)
            if dead := self._book.to_delete():
                await asyncio.to_thread(_delete, self._store, dead)
                self._book.gone(dead)

    # -- the background -------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """See to it that the background task is there. It lives while there is something to write or to tidy."""
        if self._keeper is None or self._keeper.done():
            if self._keeper is not None and not self._keeper.cancelled():
                self._keeper.result()
                # a bug of ours travels up
            self._keeper = asyncio.get_running_loop().create_task(self._keep_up())

    async def _keep_up(self) -> None:
        while not self._closing and self._has_work():
            await self._pause()
            try:
                await self.flush()
                await self.tidy()
            except (DataError, UsageError) as error:
                self._note(error)
            else:
                self._failures = 0

    def _has_work(self) -> bool:
        return bool(self._buffer or self._writing or self._book.to_delete() or self._book.to_merge())

    async def _pause(self) -> None:
        """Until it is time to write, or there is much to write, or the journal is being closed."""
        interval_s = self._settings.flush_interval_s
        pause_s = min(interval_s * 2 ** min(self._failures, _MAX_DOUBLINGS), max(MAX_PAUSE_S, interval_s))
        try:
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()

    def _note(self, error: DataError | UsageError) -> None:
        self._failures += 1
        if self._writing and isinstance(error, UsageError):
            self._refused = error
        if self._failures == 1:
            _log.warning("the journal cannot be written now and goes on trying: %s", error)

    async def _write(self) -> None:
        """Put one segment: the one that failed before, or what has been appended since."""
        if not self._writing:
            self._writing, self._writing_bytes = self._buffer, self._buffer_bytes
            self._buffer, self._buffer_bytes = {}, 0
            self._key = segment_key(self._run_id, self._writer_id, next(self._names))
            self._writing_since = self._clock()
        sizes = await asyncio.to_thread(_put_answers, self._store, self._key, self._writing)
        self._wrote(self._key, sizes)
        self._writing, self._writing_bytes, self._writing_since, self._refused = {}, 0, None, None

    def _wrote(self, key: str, sizes: Mapping[str, int]) -> None:
        self._book.wrote(key, sizes)
        for item_id in sizes.keys() & self._settled:
            self._book.settled(item_id)

    async def _merge(self, keys: Sequence[str]) -> None:
        """Copy what the segments hold of live items; a crash before they are deleted leaves copies, which are harmless."""
        blocks, damaged = await asyncio.to_thread(_live_blocks, self._store, keys, self._settled)
        for group in in_segments(blocks, max_bytes=self._book.merged_bytes):
            key = segment_key(self._run_id, self._writer_id, next(self._names))
            self._wrote(key, await asyncio.to_thread(put_segment, self._store, key, group))
        self._book.copied(keys)
        self._book.gone(damaged)
        # left where they are: only dropping the whole journal deletes what could not be read


def _text_bytes(answer: Answer) -> int:
    """About what the answer's own text takes; arguments of tool calls are small."""
    return len(answer.text) + len(answer.reasoning) if isinstance(answer, Draft) else 0


def _put_answers(store: ObjectStore, key: str, answers: Mapping[str, Sequence[Placed]]) -> dict[str, int]:
    return put_segment(store, key, (pack_block(item_id, placed) for item_id, placed in answers.items()))


def _live_blocks(store: ObjectStore, keys: Sequence[str], settled: set[str]) -> tuple[list[Block], list[str]]:
    """The blocks of items that are not settled, each once, and the segments that are damaged."""
    segments = list(read_segments(store, keys))
    blocks = {block.data: block for segment in segments for block in segment.blocks if block.item_id not in settled}
    return list(blocks.values()), [segment.key for segment in segments if segment.is_damaged]


def _delete(store: ObjectStore, keys: Sequence[str]) -> None:
    for key in keys:
        store.delete(key)
