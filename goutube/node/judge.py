"""What becomes of a command: an entry, an answer that needs none, or a refusal.

Everything is judged against the tail of the log, committed or not; the shard holds back the answer
until that tail is committed, so that no answer rests on a state that may never be.
"""

from __future__ import annotations

from msgspec import Struct

from goutube._native import Producer
from goutube.errors import (
    DuplicateSequenceError,
    InvalidArgumentError,
    OffsetMismatchError,
    OffsetOutOfRangeError,
    OutOfSequenceError,
    ProducerFencedError,
    StreamExistsError,
    StreamNotFoundError,
    StreamSealedError,
)
from goutube.model import AppendResult, ProducerStamp, StreamId
from goutube.node.commands import (
    ANY_STREAM,
    Append,
    ChangeStream,
    CreateStream,
    DeleteStream,
    SealStream,
    TrimStream,
)
from goutube.node.control import NO_PROPERTIES, encode_create, encode_properties, encode_trim
from goutube.node.streams import Stream, Tail
from goutube.storage import FLAG_CREATES, FLAG_SEALS, EntryKind, NewEntry

Proposable = Append | CreateStream | ChangeStream | SealStream | TrimStream | DeleteStream


class Settled(Struct, frozen=True):
    """No entry is needed; an append's answer is ``result``, the others' is the stream as it is."""

    result: AppendResult | None = None


def judge(tail: Tail, command: Proposable, now_ms: int) -> NewEntry | Settled:
    """The entry to append for a command, or why none is needed.

    ``now_ms`` is the leader's clock; entries are never stamped before the shard's last one.

    Raises:
        UsageError, OutOfSequenceError: the command is refused; nothing is appended.
    """
    stamp = max(now_ms, tail.last_stamp)
    stream = tail.find(command.name)
    match command:
        case Append():
            return _judge_append(stream, command, stamp)
        case CreateStream():
            if stream is not None:
                raise StreamExistsError(
                    f"the stream {command.name!r} is there already", stream=command.name
                )
            return _create(command.name, encode_properties(command.properties), stamp)
        case _:
            return _judge_change(_existing(stream, command.name, command.stream_id), command, stamp)


def _judge_change(
    stream: Stream,
    command: ChangeStream | SealStream | TrimStream | DeleteStream,
    stamp: int,
) -> NewEntry | Settled:
    match command:
        case SealStream():
            return Settled() if stream.sealed else _control(stream, EntryKind.SEAL, stamp)
        case TrimStream():
            return _judge_trim(stream, command.before, stamp)
        case ChangeStream():
            properties = encode_properties(command.properties)
            return _control(stream, EntryKind.CHANGE, stamp, properties)
        case DeleteStream():
            return _control(stream, EntryKind.DELETE, stamp)


def existing_stream(stream: Stream | None, name: str, stream_id: StreamId) -> Stream:
    """The stream if it is there and is the one meant.

    Raises:
        StreamNotFoundError: it is not, or no longer.
    """
    if stream is None:
        raise StreamNotFoundError(f"there is no stream {name!r}", stream=name)
    if stream_id not in (ANY_STREAM, stream.stream_id):
        raise StreamNotFoundError(
            f"the stream {name!r} with the id {stream_id} was deleted; another one has its name",
            stream=name,
            stream_id=stream_id,
        )
    return stream


_existing = existing_stream


def _create(name: str, properties: bytes, stamp: int, flags: int = 0) -> NewEntry:
    control = encode_create(name, properties)
    return NewEntry(EntryKind.CREATE, FLAG_CREATES | flags, 0, 0, 0, stamp, control)


def _control(stream: Stream, kind: EntryKind, stamp: int, control: bytes = b"") -> NewEntry:
    flags = FLAG_SEALS if kind is EntryKind.SEAL else 0
    return NewEntry(kind, flags, stream.stream_id, stream.end, stream.record_count, stamp, control)


def _judge_trim(stream: Stream, before: int, stamp: int) -> NewEntry | Settled:
    if before > stream.end:
        raise OffsetOutOfRangeError(
            f"{stream.name!r} cannot be trimmed before {before}: it ends at {stream.end}",
            start_offset=stream.start,
            end_offset=stream.end,
        )
    if before <= stream.start:
        return Settled()
    return _control(stream, EntryKind.TRIM, stamp, encode_trim(before))


def _judge_append(stream: Stream | None, command: Append, stamp: int) -> NewEntry | Settled:
    if stream is None and command.stream_id != ANY_STREAM:
        raise StreamNotFoundError(
            f"there is no stream {command.name!r} with the id {command.stream_id} any more",
            stream=command.name,
            stream_id=command.stream_id,
        )
    if stream is not None:
        _existing(stream, command.name, command.stream_id)
        # A retry of the very append that sealed the stream is answered, not refused.
        repeated = _judge_sequence(stream, command)
        if repeated is not None:
            return Settled(repeated)
        if stream.sealed:
            return _judge_sealed(stream, command)
    elif command.producer is not None:
        _check_first(command.producer)
    if command.expected_offset is not None:
        _check_expected(stream, command)
    flags = FLAG_SEALS if command.seal else 0
    if stream is None:
        return _first_append(command, stamp, flags)
    if command.batch is None:
        if not command.seal:
            return Settled(AppendResult(stream.end, stream.end, StreamId(stream.stream_id)))
        return _control(stream, EntryKind.SEAL, stamp)
    return NewEntry(
        EntryKind.BATCH,
        flags,
        stream.stream_id,
        stream.end,
        stream.record_count,
        stamp,
        b"",
        command.batch,
        command.producer,
        command.producer_time_ms,
    )


def _first_append(command: Append, stamp: int, flags: int) -> NewEntry:
    if command.batch is None:
        return _create(command.name, NO_PROPERTIES, stamp, flags)
    return NewEntry(
        EntryKind.BATCH,
        FLAG_CREATES | flags,
        0,
        0,
        0,
        stamp,
        encode_create(command.name, NO_PROPERTIES),
        command.batch,
        command.producer,
        command.producer_time_ms,
    )


def _judge_sealed(stream: Stream, command: Append) -> Settled:
    if command.batch is None:
        return Settled(AppendResult(stream.end, stream.end, StreamId(stream.stream_id)))
    raise StreamSealedError(
        f"the stream {stream.name!r} is sealed at {stream.end}: nothing can be appended",
        stream=stream.name,
        end_offset=stream.end,
    )


def _check_expected(stream: Stream | None, command: Append) -> None:
    end = stream.end if stream is not None else 0
    if command.expected_offset != end:
        raise OffsetMismatchError(
            f"the stream {command.name!r} ends at {end}, not at the expected "
            f"{command.expected_offset}",
            end_offset=end,
        )


def _check_first(stamp: ProducerStamp) -> None:
    if stamp.sequence != 0:
        raise OutOfSequenceError(
            f"the producer's first batch has sequence {stamp.sequence}, not 0: what came before is "
            "not known here",
            expected_sequence=0,
        )


def _judge_sequence(stream: Stream, command: Append) -> AppendResult | None:
    """The old answer if the batch was committed before; None if it is the next in sequence."""
    stamp = command.producer
    if stamp is None or command.batch is None:
        return None
    known = stream.producer(stamp.producer_id)
    if known is None or stamp.epoch > known.epoch:
        _check_first(stamp)
        return None
    if stamp.epoch < known.epoch:
        raise ProducerFencedError(
            f"epoch {stamp.epoch} of this producer was replaced by epoch {known.epoch}",
            epoch=known.epoch,
        )
    if stamp.sequence == known.next_sequence:
        return None
    if stamp.sequence > known.next_sequence:
        raise OutOfSequenceError(
            f"the batch has sequence {stamp.sequence}; {known.next_sequence} is next",
            expected_sequence=known.next_sequence,
        )
    return _find_repeated(stream, known, command, stamp)


def _find_repeated(
    stream: Stream, known: Producer, command: Append, stamp: ProducerStamp
) -> AppendResult:
    batch = command.batch
    assert batch is not None
    oldest = known.next_sequence
    for sequence, count, checksum, offset in known.batches():
        oldest = min(oldest, sequence)
        if sequence != stamp.sequence:
            continue
        if (count, checksum) != (batch.record_count, batch.checksum):
            break
        end = offset + len(batch.data)
        return AppendResult(offset, end, StreamId(stream.stream_id), duplicate=True)
    if stamp.sequence < oldest:
        raise DuplicateSequenceError(
            f"the batch with sequence {stamp.sequence} was committed before; only the last 16 "
            f"batches' offsets are remembered, and the stream ends at {stream.end}",
            end_offset=stream.end,
        )
    raise InvalidArgumentError(
        f"the batch with sequence {stamp.sequence} differs from the committed one",
        sequence=stamp.sequence,
    )
