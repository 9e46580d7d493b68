"""A read that survives the calls it is made of: it goes on at the very byte where one broke off."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from goutube.errors import InvalidArgumentError, WireFormatError
from goutube.model import Buffer

StartKind = Literal["offset", "earliest", "latest", "timestamp_ms", "last_bytes", "last_records"]
Checksum = Callable[[Buffer], int]
"""CRC-32C of some bytes: the kernels' work, handed in."""

_BAD_ANSWERS_MAX: Final = 2
_OFFSET_MAX: Final = (1 << 64) - 1


class Answer(Protocol):
    """What the cursor reads of one ``goutube.v1.ReadResponse``."""

    stream_id: int
    offset: int
    data: memoryview
    checksum: int
    lengths: memoryview
    timestamps: memoryview
    next_offset: int
    end_offset: int
    end_of_stream: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Where a read begins: what is counted, and how many of it (offset, bytes, records or ms)."""

    kind: StartKind
    value: int = 0


@dataclass(frozen=True, slots=True)
class ReadWish:
    """What the next call has to ask for; the fields are those of ``goutube.v1.ReadRequest``."""

    stream: str
    stream_id: int
    start: Start
    limit: int | None
    records: bool
    follow: bool
    bytes_max: int = 0


def choose_start(
    offset: int | Literal["earliest", "latest"],
    timestamp_ms: int | None,
    last_bytes: int | None,
    last_records: int | None,
) -> Start:
    """The one place that the arguments of a read name.

    Raises:
        InvalidArgumentError: they name two, or a number is out of range.
    """
    counted: list[tuple[StartKind, int | None]] = [
        ("timestamp_ms", timestamp_ms),
        ("last_bytes", last_bytes),
        ("last_records", last_records),
    ]
    starts = [Start(kind, value) for kind, value in counted if value is not None]
    if isinstance(offset, str):
        if offset not in ("earliest", "latest"):
            raise InvalidArgumentError(
                f"the offset {offset!r} is neither a number nor 'earliest' nor 'latest'"
            )
        starts.append(Start(offset))
    elif offset or not starts:
        starts.append(Start("offset", offset))
    if len(starts) > 1:
        named = " and ".join(start.kind for start in starts)
        raise InvalidArgumentError(f"{named} both say where to begin; give one of them")
    start = starts[0]
    if not 0 <= start.value <= _OFFSET_MAX:
        raise InvalidArgumentError(f"{start.kind} {start.value} lies outside 0 to {_OFFSET_MAX}")
    return start


class ReadCursor:
    """The place of one read in its stream, and the judge of the answers that come.

    Args:
        wish: the first call's request; ``stream_id`` 0 takes the stream that answers first, and no
            other one after it.
        checksum: computes CRC-32C.
    """

    __slots__ = ("_bad_answers", "_begun", "_checksum", "_limit", "_next", "_stream_id", "_wish")

    def __init__(self, wish: ReadWish, checksum: Checksum) -> None:
        self._wish = wish
        self._checksum = checksum
        self._stream_id = wish.stream_id
        self._limit = wish.limit
        self._next = wish.start.value if wish.start.kind == "offset" else 0
        self._begun = False
        self._bad_answers = 0

    def wish(self) -> ReadWish:
        """What to ask for now: the first time what the user asked for, then what is left of it."""
        first = self._wish
        if not self._begun:
            return first
        return replace(
            first,
            stream_id=self._stream_id,
            start=Start("offset", self._next),
            limit=self._limit,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for: the limit, or the end as it was at the beginning."""
        return self._begun and self._limit is not None and self._next >= self._limit

    def accept(self, answer: Answer) -> bool:
        """Judge an answer and move behind it.

        Returns:
            False when it is wrong and the read should be asked for again from where it stands.

        Raises:
            WireFormatError: answers are wrong time after time.
        """
        fault = self._fault(answer)
        if fault:
            self._bad_answers += 1
            if self._bad_answers > _BAD_ANSWERS_MAX:
                raise WireFormatError(
                    f"the read of {self._wish.stream!r} at {self._next} is answered wrongly again "
                    f"and again: {fault}"
                )
            return False
        self._bad_answers = 0
        if not self._begun:
            self._begun = True
            self._stream_id = answer.stream_id
            if not self._wish.follow:
                end = answer.end_offset
                self._limit = end if self._limit is None else min(self._limit, end)
        self._next = answer.next_offset
        return True

    def _fault(self, answer: Answer) -> str:
        if self._stream_id and answer.stream_id != self._stream_id:
            return f"it is of the stream with the id {answer.stream_id}, not {self._stream_id}"
        exact = self._begun or (self._wish.start.kind == "offset" and not self._wish.records)
        if exact and answer.offset != self._next:
            return f"it begins at {answer.offset}"
        if answer.next_offset - answer.offset != len(answer.data):
            return f"it has {len(answer.data)} bytes and goes on at {answer.next_offset}"
        if self._checksum(answer.data) != answer.checksum:
            return "its checksum is not that of its bytes"
        if self._wish.records and not _fits(answer):
            return "its records do not make up its bytes"
        return ""


def _fits(answer: Answer) -> bool:
    count = len(answer.lengths) // 4
    if len(answer.lengths) != 4 * count or len(answer.timestamps) != 8 * count:
        return False
    lengths: tuple[int, ...] = struct.unpack(f"<{count}I", answer.lengths)
    return sum(lengths) == len(answer.data)
