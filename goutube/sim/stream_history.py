"""What is known of one stream, and must therefore stay so."""

from __future__ import annotations

from typing_extensions import override

from goutube.model import Buffer, StreamId, StreamInfo


class BrokenPromiseError(AssertionError):
    """The node did what it had promised not to."""


def expect(holds: bool, what: str) -> None:
    """Check one promise.

    Raises:
        BrokenPromiseError: it does not hold.
    """
    if not holds:
        raise BrokenPromiseError(what)


class StreamHistory:
    """One stream, by its id, from the first word of it on.

    Attributes:
        end: no answer has told of a lower one since, and none may.
        start: likewise; ``trim_asked`` is the highest offset that anybody has asked to trim before.
        sealed_at: its end for ever.
        seal_asked, delete_asked: whether somebody has.
        deleted: when that was acknowledged, by the checker's count; None while it was not.
        parsed: up to where its bytes are known to be whole records.
    """

    def __init__(self, name: str, stream_id: StreamId) -> None:
        self.name = name
        self.stream_id = stream_id
        self.start = 0
        self.end = 0
        self.trim_asked = 0
        self.sealed_at: int | None = None
        self.seal_asked = False
        self.delete_asked = False
        self.deleted: int | None = None
        self.parsed = 0
        self._bytes = bytearray()
        self._known = bytearray()

    @override
    def __repr__(self) -> str:
        return f"{self.name!r} ({self.stream_id:#x})"

    @property
    def known_prefix(self) -> int:
        """How many bytes from offset 0 on have been seen."""
        gap = self._known.find(0)
        return len(self._known) if gap < 0 else gap

    @property
    def content(self) -> memoryview:
        """The bytes as far as they are known; zeros elsewhere."""
        return memoryview(self._bytes)

    def observe(self, offset: int, data: Buffer) -> None:
        """Take in bytes that an answer showed, or that were acknowledged.

        Raises:
            BrokenPromiseError: others were seen there before.
        """
        end = offset + len(data)
        if len(self._bytes) < end:
            more = bytes(end - len(self._bytes))
            self._bytes += more
            self._known += more
        place = offset
        while place < end:
            known = self._known[place]
            stop = self._known.find(1 - known, place, end)
            stop = end if stop < 0 else stop
            if known and self._bytes[place:stop] != data[place - offset : stop - offset]:
                raise BrokenPromiseError(f"{self} has other bytes in {place}-{stop} than before")
            place = stop
        self._bytes[offset:end] = data
        self._known[offset:end] = b"\1" * len(data)
        self.reach(end)

    def reach(self, end: int) -> None:
        """Take in that the stream reaches so far."""
        if self.sealed_at is not None:
            expect(end <= self.sealed_at, f"{self} grew to {end} after it was sealed")
        self.end = max(self.end, end)

    def show(self, start: int, end: int, *, sealed: bool) -> None:
        """Take in what an answer tells of the stream.

        Raises:
            BrokenPromiseError: it is less than was told before.
        """
        expect(end >= self.end, f"{self} ends at {end}; it ended at {self.end}")
        expect(start >= self.start, f"{self} starts at {start}; it started at {self.start}")
        expect(start <= self.trim_asked, f"{self} starts at {start}, and nobody asked for that")
        expect(start <= end, f"{self} starts at {start}, behind its end {end}")
        self.reach(end)
        self.start = start
        if sealed:
            self.seal(end)
        expect(sealed or self.sealed_at is None, f"{self} was sealed and is not")

    def show_info(self, info: StreamInfo) -> None:
        """The same, of a description."""
        expect(info.name == self.name, f"{self} is described as {info.name!r}")
        self.show(info.start_offset, info.end_offset, sealed=info.sealed)

    def seal(self, end: int) -> None:
        """Take in that the stream ends here for ever."""
        expect(self.seal_asked, f"{self} is sealed, and nobody asked for that")
        expect(self.sealed_at in (None, end), f"{self} is sealed at {end}, not {self.sealed_at}")
        expect(end >= self.end, f"{self} is sealed at {end}; it ended at {self.end}")
        self.sealed_at = end
        self.end = end
