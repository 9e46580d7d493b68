"""Many records at once: numpy arrays and one buffer in place of an object for each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from goutube.api import codecs
from goutube.client import requests
from goutube.client.async_reading import BeginAnswers, Reading
from goutube.client.requests import Place
from goutube.limits import MIB
from goutube.model import Record
from goutube.routing import ReadWish, choose_start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ANSWER_BYTES: Final = MIB


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """Records that follow one another in a stream.

    Record ``i`` lies in the stream from ``offsets[i]`` to before ``offsets[i + 1]``, and in
    ``data`` as far behind the beginning as in the stream.

    Attributes:
        offsets: one more than there are records; the last one is where to read on.
        timestamps_ms: when each was committed, Unix milliseconds.
        data: the records one behind the other; for numpy: ``np.frombuffer(data, np.uint8)``.
    """

    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    data: memoryview

    def __len__(self) -> int:
        return len(self.timestamps_ms)

    def __getitem__(self, number: int) -> bytes:
        """One record's bytes.

        Raises:
            IndexError: there is none of this number.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} records, none with the number {number}")
        number %= len(self)
        first = self.offsets[0]
        return bytes(self.data[self.offsets[number] - first : self.offsets[number + 1] - first])


def batch_of(answer: codecs.ReadResponse) -> RecordBatch:
    """The records of an accepted answer."""
    import numpy as np  # noqa: PLC0415 - only for who asks

    lengths = np.frombuffer(answer.lengths, "<u4")
    offsets = np.empty(len(lengths) + 1, np.int64)
    offsets[0] = answer.offset
    np.cumsum(lengths, out=offsets[1:])
    offsets[1:] += answer.offset
    return RecordBatch(offsets, np.frombuffer(answer.timestamps, "<i8"), answer.data)


def each_record(
    answers: Generator[codecs.ReadResponse, None, None],
) -> Generator[Record, None, None]:
    """The records of all answers, one by one."""
    with closing(answers):
        for answer in answers:
            yield from requests.records_of(answer)


def _wish(
    name: str,
    offset: Place,
    limit: int | None,
    follow: bool,
    timestamp_ms: int | None,
    last_records: int | None,
    stream_id: int | None,
) -> ReadWish:
    start = choose_start(offset, timestamp_ms, None, last_records)
    return requests.wish(
        name, start, limit, stream_id, records=True, follow=follow, bytes_max=_ANSWER_BYTES
    )


class Answers(Protocol):
    """What ``RecordBatches`` needs of its client."""

    def _budget(self, timeout_s: float | None) -> int:
        """A caller's timeout in milliseconds."""

    def _answers(self, wish: ReadWish, budget: int) -> Generator[codecs.ReadResponse, None, None]:
        """A read's accepted answers."""


class RecordBatches:
    """What makes a synchronous client read many records at once."""

    def record_batches(  # noqa: PLR0913 - one parameter per choice, all but two by name
        self: Answers,
        name: str,
        offset: Place = 0,
        *,
        limit: int | None = None,
        follow: bool = False,
        timestamp_ms: int | None = None,
        last_records: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Generator[RecordBatch, None, None]:
        """Read a stream by many records at once, about 1 MiB; numpy must be installed.

        Arguments and errors are those of ``read``.
        """
        wish = _wish(name, offset, limit, follow, timestamp_ms, last_records, stream_id)
        return (batch_of(answer) for answer in self._answers(wish, self._budget(timeout_s)))


class AsyncAnswers(Protocol):
    """What ``AsyncRecordBatches`` needs of its client."""

    def _begin(self, wish: ReadWish, timeout_s: float | None) -> BeginAnswers[codecs.ReadResponse]:
        """What begins a read's calls."""


class AsyncRecordBatches:
    """What makes an asyncio client read many records at once."""

    def record_batches(  # noqa: PLR0913 - one parameter per choice, all but two by name
        self: AsyncAnswers,
        name: str,
        offset: Place = 0,
        *,
        limit: int | None = None,
        follow: bool = False,
        timestamp_ms: int | None = None,
        last_records: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[RecordBatch, None]:
        """Read a stream by many records at once, as ``Client.record_batches`` does."""
        wish = _wish(name, offset, limit, follow, timestamp_ms, last_records, stream_id)
        return Reading(self._begin(wish, timeout_s), lambda answer: (batch_of(answer),))
