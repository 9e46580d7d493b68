"""A stream as a file: seekable, buffered, read-only, as it was when it was opened."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Generator
from typing import Final, Protocol

from typing_extensions import Buffer, override

from goutube.client import requests
from goutube.errors import InvalidArgumentError, WireFormatError
from goutube.limits import CHUNK_BYTES_DEFAULT, MIB
from goutube.model import StreamInfo

_AHEAD_BYTES_MAX: Final = 64 * MIB


class Reads(Protocol):
    """The part of a client that files need."""

    def stat(self, name: str) -> StreamInfo:
        """Describe a stream."""

    def read(
        self,
        name: str,
        offset: int = 0,
        *,
        limit: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Generator[bytes, None, None]:
        """Read a stream's bytes."""


class Files:
    """What makes a client open streams as files."""

    def open(
        self: Reads,
        name: str,
        *,
        stream_id: int | None = None,
        buffer_bytes: int = CHUNK_BYTES_DEFAULT,
        timeout_s: float | None = None,
    ) -> io.BufferedReader:
        """Open a stream as a seekable binary file, for whatever reads files.

        The file is the stream as it is now: it ends where the stream ends now, and appends that
        come later are seen by opening it anew. It stays with this very stream; position N is offset
        N. It reads ahead, further and further while it is read in order. A restart of the server is
        survived as by ``read``.

        Errors are those of ``read`` (``StreamNotFoundError`` when the stream was deleted meanwhile,
        ``OffsetOutOfRangeError`` at bytes that were trimmed away), except where the protocol of
        files names another: ``ValueError`` on a closed file, ``OSError`` for a seek before the
        beginning, ``io.UnsupportedOperation`` for writing.

        Args:
            name: the stream.
            stream_id: open only the stream with this id.
            buffer_bytes: the least that is asked of the server.
            timeout_s: seconds without an answer after which a read gives up; the client's if None.

        Raises:
            StreamNotFoundError: there is no such stream.
            InvalidArgumentError: an argument is not allowed.
        """
        if not 0 < buffer_bytes <= _AHEAD_BYTES_MAX:
            raise InvalidArgumentError(
                f"buffer_bytes is {buffer_bytes!r}; it must be 1 to {_AHEAD_BYTES_MAX}"
            )
        info = self.stat(name)
        known = requests.check_number(stream_id or info.stream_id, "stream_id")
        return io.BufferedReader(
            StreamFile(self, info, known, buffer_bytes, timeout_s), buffer_bytes
        )


class StreamFile(io.RawIOBase):
    """The unbuffered file beneath what ``Client.open`` returns.

    Attributes:
        name: the stream.
        mode: ``rb``.
    """

    mode = "rb"

    def __init__(
        self,
        client: Reads,
        info: StreamInfo,
        stream_id: int,
        ahead_bytes: int,
        timeout_s: float | None,
    ) -> None:
        super().__init__()
        self.name = info.name
        self._client = client
        self._stream_id = stream_id
        self._end = info.end_offset
        self._ahead_bytes = ahead_bytes
        self._timeout_s = timeout_s
        self._place = 0
        self._window = ahead_bytes
        self._rest = memoryview(b"")
        self._chunks: Generator[bytes, None, None] | None = None

    @override
    def readable(self) -> bool:
        """Whether it can be read: yes."""
        self._check_open()
        return True

    @override
    def seekable(self) -> bool:
        """Whether it can be sought: yes."""
        self._check_open()
        return True

    @override
    def tell(self) -> int:
        """The offset of the next byte."""
        self._check_open()
        return self._place

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to an offset, counted from the start, from here or from the end; return it.

        Raises:
            OSError: it lies before the beginning.
            ValueError: the file is closed, or ``whence`` is none of the three.
        """
        self._check_open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end}
        if whence not in bases:
            raise ValueError(f"whence is {whence!r}; it must be 0, 1 or 2")
        place = bases[whence] + offset
        if place < 0:
            raise OSError(errno.EINVAL, f"offset {place} lies before the beginning", self.name)
        if self._place <= place <= self._place + len(self._rest):
            self._rest = self._rest[place - self._place :]
        elif place != self._place:
            self._hang_up()
        self._place = place
        return place

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        """Read what fits and is there; 0 at the end only."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), self._end - self._place)
        if wanted <= 0:
            return 0
        if not self._rest:
            self._rest = memoryview(self._next_chunk(wanted))
        count = min(wanted, len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._place += count
        return count

    @override
    def readall(self) -> bytes:
        """Read up to the end."""
        self._check_open()
        self._window = _AHEAD_BYTES_MAX
        chunks = [bytes(self._rest)]
        self._place += len(self._rest)
        self._rest = memoryview(b"")
        while self._place < self._end:
            chunks.append(self._next_chunk(self._end - self._place))
            self._place += len(chunks[-1])
        return b"".join(chunks)

    @override
    def close(self) -> None:
        """End the read that is under way; closing twice is fine."""
        if not self.closed:
            self._hang_up()
        super().close()

    def _next_chunk(self, wanted: int) -> bytes:
        chunk = next(self._chunks, b"") if self._chunks is not None else b""
        if chunk:
            return chunk
        # The last read came to its end right here: more may be asked for at once.
        if self._chunks is not None:
            self._window = min(2 * self._window, _AHEAD_BYTES_MAX)
        self._chunks = self._client.read(
            self.name,
            self._place,
            limit=min(self._end, self._place + max(self._window, wanted)),
            stream_id=self._stream_id,
            timeout_s=self._timeout_s,
        )
        chunk = next(self._chunks, b"")
        if not chunk:
            raise WireFormatError(f"the server sent nothing of {self.name!r} at {self._place}")
        return chunk

    def _hang_up(self) -> None:
        self._rest = memoryview(b"")
        self._window = self._ahead_bytes
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")
