"""The checker: what the node has promised so far, and whether each answer keeps it.

The promises: what was acknowledged is there, once, at its offset, unchanged, whatever happened
since; what a read has shown stays; offsets have no gaps; a batch is there whole or not at all; what
was definitely refused never appears; a trim, a seal or a deletion that was acknowledged is never
undone, and none happens that nobody asked for; an answer is what is asked for, or an error that
fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from goutube._native import crc32c
from goutube.errors import (
    CorruptionError,
    DataDirError,
    DiskFailedError,
    DiskFullError,
    DuplicateSequenceError,
    GoutubeError,
    InvalidArgumentError,
    OffsetMismatchError,
    OffsetOutOfRangeError,
    OutcomeUnknownError,
    OutOfSequenceError,
    ProducerFencedError,
    StreamExistsError,
    StreamNotFoundError,
    StreamSealedError,
)
from goutube.model import AppendResult, Buffer, StreamId, StreamInfo
from goutube.node import (
    Append,
    AtOffset,
    Command,
    CreateStream,
    DeleteStream,
    ListPage,
    Read,
    ReadAnswer,
    Reply,
    SealStream,
    TrimStream,
)
from goutube.sim.content import read_head
from goutube.sim.stream_history import BrokenPromiseError, StreamHistory, expect

_OF_PRODUCERS = (OutOfSequenceError, DuplicateSequenceError, ProducerFencedError)


class SentBatch(Struct, eq=False):
    """Records that are there together or not at all.

    Attributes:
        numbers: of its records, in order.
        refused: its client was told for certain that it is not there.
        places: its offset by stream id, once it is known. A client that has not heard which stream
            took it may send it to one that has the name since; so it may be in several, if all but
            one were deleted.
    """

    stream: str
    numbers: tuple[int, ...]
    content: bytes
    refused: bool = False
    places: dict[int, int] = {}


class Excuses(Struct):
    """What has been done to this life of the node that an answer may be an error for."""

    failed: bool = False
    full: bool = False
    damaged: bool = False


class History:
    """Everything that was sent and answered.

    Attributes:
        streams: by id; what is known of each.
        batches: by the number of their first record.
        excuses: of the present life.
        checks: how many answers were judged; ``moment`` counts questions and answers.
    """

    def __init__(self) -> None:
        self.streams: dict[int, StreamHistory] = {}
        self.batches: dict[int, SentBatch] = {}
        self.excuses = Excuses()
        self.checks = 0
        self.moment = 0
        self._batch_of: dict[int, SentBatch] = {}
        self._asked = 0
        self._seals: set[str] = set()
        self._trims: dict[str, int] = {}
        """What was asked of whatever stream has a name, known here by then or not."""

    # What clients do

    def built(self, stream: str, numbers: Sequence[int], content: bytes) -> SentBatch:
        """A client has put records together into a batch."""
        batch = SentBatch(stream, tuple(numbers), content)
        self.batches[numbers[0]] = batch
        for number in numbers:
            self._batch_of[number] = batch
        return batch

    def batch_of(self, number: int) -> SentBatch | None:
        """The batch of a record; None where it never became part of one."""
        return self._batch_of.get(number)

    def batch_in(self, data: Buffer) -> SentBatch:
        """The batch that some bytes are."""
        head = read_head(data, 0)
        batch = self.batches.get(head[0]) if head else None
        if batch is None or batch.content != data:
            raise BrokenPromiseError("bytes that nobody sent")
        return batch

    def refused(self, batch: SentBatch) -> None:
        """A client was told that a batch is not there, and never will be."""
        batch.refused = True
        for stream_id in batch.places:
            self._look_for_refused(batch, self.streams[stream_id])

    def _look_for_refused(self, batch: SentBatch, stream: StreamHistory) -> None:
        expect(
            not batch.refused or stream.delete_asked,
            f"records {batch.numbers[0]}.. were refused, and are in {stream}",
        )

    def submitted(self, command: Command) -> int:
        """The node is asked for something: from now on it may happen; the moment."""
        self.moment += 1
        match command:
            case Append(seal=True) | SealStream():
                if not command.stream_id:
                    self._seals.add(command.name)
                for stream in self._meant(command.name, command.stream_id):
                    stream.seal_asked = True
            case TrimStream():
                if not command.stream_id:
                    highest = max(self._trims.get(command.name, 0), command.before)
                    self._trims[command.name] = highest
                for stream in self._meant(command.name, command.stream_id):
                    stream.trim_asked = max(stream.trim_asked, command.before)
            case DeleteStream():
                for stream in self._meant(command.name, command.stream_id):
                    stream.delete_asked = True
            case _:
                pass
        return self.moment

    def _meant(self, name: str, stream_id: int) -> list[StreamHistory]:
        return [
            stream
            for stream in self.streams.values()
            if stream.name == name and stream_id in (0, stream.stream_id)
        ]

    # What the node answers

    def replied(self, command: Command, asked: int, reply: Reply) -> None:
        """Judge one answer to a question of the moment ``asked``.

        Raises:
            BrokenPromiseError: it breaks a promise.
        """
        self.checks += 1
        self.moment += 1
        self._asked = asked
        if reply.error is not None:
            self._erred(command, reply.error)
            return
        result = reply.result
        match command, result:
            case Append(), AppendResult():
                self._appended(command, result)
            case Read(), ReadAnswer():
                self._read(command, result)
            case _, ListPage():
                self._paged(result.streams)
            case DeleteStream(), None:
                for stream in self._meant(command.name, command.stream_id):
                    stream.deleted = self.moment
            case _, StreamInfo():
                self._changed(command, self._described(result))
            case ((CreateStream() | TrimStream() | SealStream()), None):
                pass  # deleted behind it, in the same moment
            case _:
                raise BrokenPromiseError(f"{command} is answered with {result}")

    def _changed(self, command: Command, stream: StreamHistory) -> None:
        match command:
            case TrimStream():
                expect(stream.start >= command.before, f"{stream} is not trimmed as it was told")
            case SealStream():
                expect(stream.sealed_at is not None, f"{stream} is not sealed")
            case _:
                pass

    def _paged(self, infos: Sequence[StreamInfo]) -> None:
        names = [info.name for info in infos]
        expect(all(a < b for a, b in pairwise(names)), "a list is out of order")
        for info in infos:
            self._described(info)

    def _stream(self, name: str, stream_id: StreamId) -> StreamHistory:
        stream = self.streams.get(stream_id)
        if stream is None:
            stream = self.streams[stream_id] = StreamHistory(name, stream_id)
            stream.seal_asked = name in self._seals
            stream.trim_asked = self._trims.get(name, 0)
        expect(stream.name == name, f"{stream} answers for {name!r}")
        # Who asked before it was deleted may get an answer from before.
        expect(
            stream.deleted is None or self._asked < stream.deleted,
            f"{stream} was deleted, and answers",
        )
        return stream

    def _described(self, info: StreamInfo) -> StreamHistory:
        stream = self._stream(info.name, info.stream_id)
        stream.show_info(info)
        return stream

    def _appended(self, command: Append, result: AppendResult) -> None:
        stream = self._stream(command.name, result.stream_id)
        expect(command.stream_id in (0, result.stream_id), f"{stream} took what is not its")
        if command.batch is None:
            expect(result.offset == result.next_offset >= stream.end, f"{stream} ends elsewhere")
        else:
            batch = self.batch_in(bytes(command.batch.data))
            self._found(batch, stream, result.offset)
            size = result.next_offset - result.offset
            expect(size == len(batch.content), f"{stream} took another size")
            if not result.duplicate and command.expected_offset is not None:
                expect(result.offset == command.expected_offset, f"{stream} appended elsewhere")
            stream.observe(result.offset, batch.content)
        if command.seal:
            stream.seal(result.next_offset)

    def _found(self, batch: SentBatch, stream: StreamHistory, offset: int) -> None:
        what = f"records {batch.numbers[0]}.. are at {offset} of {stream}"
        expect(batch.stream == stream.name, what)
        self._look_for_refused(batch, stream)
        for other, place in batch.places.items():
            if other != stream.stream_id:
                expect(self.streams[other].delete_asked, f"{what} and of {self.streams[other]}")
            else:
                expect(place == offset, f"{what} and at {place}")
        batch.places[stream.stream_id] = offset

    def _read(self, command: Read, answer: ReadAnswer) -> None:
        stream = self._stream(command.name, answer.stream_id)
        end = answer.offset + len(answer.data)
        expect(command.stream_id in (0, answer.stream_id), f"{stream} is not the one asked for")
        expect(answer.next_offset == end <= answer.end_offset, f"{stream}: read beyond the end")
        if isinstance(command.start, AtOffset) and not command.records:
            expect(answer.offset == command.start.offset, f"{stream}: read from elsewhere")
        within = command.limit is None or end <= command.limit
        expect(within or not answer.data, f"{stream}: read beyond the limit")
        expect(not answer.data or crc32c(answer.data) == answer.checksum, f"{stream}: checksum")
        stream.show(answer.start_offset, answer.end_offset, sealed=answer.sealed)
        stream.observe(answer.offset, memoryview(answer.data))

    def _erred(self, command: Command, error: GoutubeError) -> None:
        name: str = getattr(command, "name", "")
        stream_id: int = getattr(command, "stream_id", 0)
        certain = [s for s in self._meant(name, stream_id) if not s.delete_asked]
        excuses = self.excuses
        match error:
            case StreamNotFoundError():
                fits = not certain
            case StreamExistsError():
                fits = isinstance(command, CreateStream)
            case StreamSealedError():
                fits = any(stream.seal_asked for stream in self._meant(name, stream_id))
            case OffsetOutOfRangeError():
                fits = not any(_holds(stream, command) for stream in certain)
            case OffsetMismatchError():
                fits = isinstance(command, Append) and command.expected_offset is not None
            case InvalidArgumentError():
                fits = isinstance(command, Read) or "sequence" in error.fields
            case CorruptionError() | DataDirError():
                fits = excuses.damaged or excuses.failed
            case DiskFullError():
                fits = excuses.full or excuses.failed
            case DiskFailedError() | OutcomeUnknownError():
                fits = excuses.failed
            case _:
                fits = isinstance(error, _OF_PRODUCERS) and isinstance(command, Append)
        expect(fits, f"{type(command).__name__} of {name!r} is refused: {error!r}")

    # After a start

    def listed(self, infos: Sequence[StreamInfo]) -> None:
        """All streams that there are: none is missing, none is back."""
        found = {info.stream_id for info in infos}
        names = [info.name for info in infos]
        expect(len(names) == len(set(names)), "two streams have one name")
        for info in infos:
            self._described(info)
        for stream in self.streams.values():
            if not stream.delete_asked:
                expect(stream.stream_id in found, f"{stream} is gone")
            else:  # whoever asked asks again, or nothing comes of it
                stream.delete_asked = stream.stream_id not in found
                if stream.delete_asked and stream.deleted is None:
                    stream.deleted = self.moment

    def parse(self, stream: StreamHistory) -> None:
        """Go through the records of a stream whose bytes are known: whole batches, each once."""
        if stream.known_prefix < stream.end:
            return
        content = stream.content
        while stream.parsed < stream.end:
            head = read_head(content, stream.parsed)
            batch = self.batches.get(head[0]) if head else None
            if batch is None:
                raise BrokenPromiseError(f"{stream} holds no batch's beginning at {stream.parsed}")
            end = stream.parsed + len(batch.content)
            expect(
                content[stream.parsed : end] == batch.content,
                f"{stream} does not hold a whole batch at {stream.parsed}",
            )
            self._found(batch, stream, stream.parsed)
            stream.parsed = end


def _holds(stream: StreamHistory, command: Command) -> bool:
    """Whether a stream certainly has what a command is about."""
    match command:
        case Read():
            place = command.start.offset if isinstance(command.start, AtOffset) else stream.end
            return stream.trim_asked <= place <= stream.end
        case TrimStream():
            return command.before <= stream.end
        case _:
            return False
