"""The synchronous client, on synchronous grpcio."""

from __future__ import annotations

import random
import secrets
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeAlias, TypeVar
from weakref import WeakSet

import grpc

from goutube.api import codecs, methods
from goutube.client import feed, requests
from goutube.client.cluster_calls import ClusterCalls
from goutube.client.download import Downloads
from goutube.client.lane import Lane, Waiting
from goutube.client.producer import Producer, Producers
from goutube.client.record_batches import RecordBatches, each_record
from goutube.client.requests import Place
from goutube.client.sockets import Sockets
from goutube.client.stream_file import Files
from goutube.client.transport import (
    OPEN_CALLS_MAX,
    blames_server,
    budget_ms,
    error_of,
    now_ms,
    reached_server,
)
from goutube.errors import GoutubeError, UsageError
from goutube.model import AppendResult, Record, StreamInfo, StreamProperties
from goutube.routing import (
    Attempts,
    ProducerSession,
    ReadCursor,
    ReadWish,
    choose_start,
    parse_addresses,
)

_Value = TypeVar("_Value")
_UnaryUnary: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"
_UnaryStream: TypeAlias = "grpc.UnaryStreamMultiCallable[bytes, bytes]"


class Client(ClusterCalls, Files, Downloads, Producers, RecordBatches):
    """A connection to a Goutube server or cluster; made by ``goutube.connect``.

    Every method waits for its answer. Calls that meet a server which is restarting, overloaded or
    gone are made again where that is safe, at another address if there are several, until
    ``timeout_s`` seconds have passed without progress. Methods may be called from several threads
    at once, and inside a running event loop (which they block meanwhile).

    Raises (all methods):
        UnavailableError, OverloadedError, ShuttingDownError: no server took the call in time.
        DeadlineExceededError: a server took it and did not answer in time.
    """

    def __init__(self, addresses: tuple[str, ...], timeout_s: float) -> None:
        self._budget_ms = budget_ms(timeout_s)
        self._sockets = Sockets(addresses)
        self._lock = threading.Lock()
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._producers: WeakSet[Producer] = WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what is under way and close the connections; closing twice is fine."""
        self._sockets.close()
        with self._lock:
            lanes = list(self._lanes.values())
            self._lanes.clear()
            producers = list(self._producers)
        for producer in producers:
            producer.abort()
        for lane in lanes:
            lane.close()

    # -- appending ----------------------------------------------------------------------------

    def append(
        self,
        name: str,
        data: feed.Content | None = None,
        *,
        records: Iterable[bytes] | None = None,
        expected_offset: int | None = None,
        stream_id: int | None = None,
        seal: bool = False,
        timeout_s: float | None = None,
    ) -> AppendResult:
        """Append to a stream, which is created if it is not there; return when it is committed.

        Retries never append twice: batches are numbered, and the server knows them again.

        Args:
            name: the stream.
            data: bytes of any length, or a binary file that is read to its end. Up to 256 KiB are
                one record, more is cut into records of 256 KiB; a file's records are what its reads
                give. Up to 1 MiB of bytes are committed whole or not at all.
            records: in place of ``data``: an iterable whose items each become one record, of 1 byte
                to 16 MiB. They are sent as they come, in batches that grow with the load.
            expected_offset: append only if the stream ends exactly here, and let nothing of another
                writer come in between.
            stream_id: append only if the stream has this id; it is not created then.
            seal: end the stream behind these bytes.
            timeout_s: seconds without progress after which to give up; the client's if None.

        Returns:
            Where the bytes lie.

        Raises:
            OffsetMismatchError: the stream does not end at ``expected_offset``.
            StreamSealedError: the stream takes no more bytes.
            StreamNotFoundError: there is no stream with ``stream_id``.
            InvalidArgumentError: the name, a record or an argument is not allowed.
            OutcomeUnknownError: it was sent, and no answer came in time; it may have happened.
            DiskFullError, DiskFailedError: the server cannot store it.

        After an error the field ``committed_next_offset`` tells how far a long append came.
        """
        requests.check_append(name, data, records, expected_offset, stream_id)
        waiting = Waiting(expected_offset, stream_id or 0, self._budget(timeout_s))
        lane = self._lane(name)
        if records is not None:
            return lane.append_records(waiting, feed.checked(records), seal=seal)
        content = feed.content_of(data)
        if isinstance(content, feed.FileRecords):
            return lane.append_records(waiting, content, seal=seal)
        return lane.append(waiting, feed.batches_of(content), seal=seal)

    def _lane(self, name: str) -> Lane:
        with self._lock:
            lane = self._lanes.get(name)
            if lane is None:
                session = ProducerSession(
                    name, lambda: secrets.token_bytes(16), requests.join, random.random
                )
                lane = self._lanes[name] = Lane(session, self._sockets)
                self._retire_lanes()
            else:
                self._lanes.move_to_end(name)
            return lane

    def _retire_lanes(self) -> None:
        """Close the append calls that were used least recently, those in use excepted."""
        surplus = len(self._lanes) - OPEN_CALLS_MAX
        if surplus <= 0:
            return
        for name in [name for name, lane in self._lanes.items() if lane.idle][:surplus]:
            self._lanes.pop(name).retire()

    # -- reading ------------------------------------------------------------------------------

    def read(  # noqa: PLR0913 - one parameter per choice, all but two by name
        self,
        name: str,
        offset: Place = 0,
        *,
        limit: int | None = None,
        follow: bool = False,
        timestamp_ms: int | None = None,
        last_bytes: int | None = None,
        last_records: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Generator[bytes, None, None]:
        """Read a stream's bytes, whatever the record boundaries.

        It ends at ``limit``, or at the end as it was when the read began; with ``follow`` it goes
        on until the stream is sealed. A broken connection is taken up again at the very next byte.
        Every answer's checksum is verified. The server is asked when the iteration begins; closing
        the iterator ends the call.

        Args:
            name: the stream.
            offset: a byte offset, ``"earliest"`` or ``"latest"``.
            limit: offset one past the last byte wanted.
            follow: wait at the end for more.
            timestamp_ms: in place of ``offset``: from the first record not before this Unix time.
            last_bytes: in place of ``offset``: so many bytes before the end.
            last_records: in place of ``offset``: so many records before the end.
            stream_id: read only the stream with this id.
            timeout_s: seconds without an answer after which to give up; the client's if None. A
                read that follows waits for new bytes without limit.

        Returns:
            An iterator of chunks of up to 1 MiB, none of them empty.

        Raises:
            StreamNotFoundError: there is no such stream, or it was deleted meanwhile.
            OffsetOutOfRangeError: the offset lies before the first byte or beyond the end.
            InvalidArgumentError: an argument is not allowed.
            WireFormatError: answers fail their checksums again and again.
        """
        start = choose_start(offset, timestamp_ms, last_bytes, last_records)
        wish = requests.wish(name, start, limit, stream_id, records=False, follow=follow)
        answers = self._answers(wish, self._budget(timeout_s))
        return (bytes(answer.data) for answer in answers)

    def records(  # noqa: PLR0913 - one parameter per choice, all but two by name
        self,
        name: str,
        offset: Place = 0,
        *,
        limit: int | None = None,
        follow: bool = False,
        timestamp_ms: int | None = None,
        last_bytes: int | None = None,
        last_records: int | None = None,
        stream_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Generator[Record, None, None]:
        """Read a stream record by record; arguments and errors are those of ``read``."""
        start = choose_start(offset, timestamp_ms, last_bytes, last_records)
        wish = requests.wish(name, start, limit, stream_id, records=True, follow=follow)
        answers = self._answers(wish, self._budget(timeout_s))
        return each_record(answers)

    def _answers(self, wish: ReadWish, budget: int) -> Generator[codecs.ReadResponse, None, None]:
        cursor = ReadCursor(wish, codecs.crc32c)
        attempts = self._attempts(budget)
        while not cursor.finished:
            address, channel = self._sockets.channel()
            timeout_s = None if wish.follow else attempts.timeout_ms(now_ms()) / 1000
            start: _UnaryStream = channel.unary_stream(methods.READ)
            call = start(requests.read_message(cursor.wish()), timeout=timeout_s)
            try:
                for message in call:
                    answer = requests.read_answer(message)
                    if not cursor.accept(answer):
                        break
                    if answer.data:
                        yield answer
                    attempts.progressed(now_ms())
                    if answer.end_of_stream:
                        return
                else:
                    return
            except grpc.RpcError as failure:
                self._pause(attempts, error_of(failure, address), address)
            finally:
                call.cancel()

    # -- streams ------------------------------------------------------------------------------

    def stat(self, name: str) -> StreamInfo:
        """Describe a stream as of now.

        Raises:
            StreamNotFoundError: there is no such stream.
        """
        return self._ask(requests.describe(name))

    def create(
        self,
        name: str,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        retention_bytes: int | None = None,
        retention_ms: int | None = None,
    ) -> StreamInfo:
        """Make an empty stream with properties.

        Args:
            name: the stream.
            content_type: a media type, up to 255 bytes.
            metadata: keys and values of the user's own, up to 4 KiB together.
            retention_bytes: bound of its size; ``StreamProperties`` says more.
            retention_ms: bound of its age.

        Raises:
            StreamExistsError: there is one of this name.
            InvalidArgumentError: the name or a property is not allowed.
            OutcomeUnknownError: it is there now, and an answer was lost: perhaps it was this call.
        """
        wanted = StreamProperties(content_type, metadata or {}, retention_bytes, retention_ms)
        return self._ask(requests.create(name, wanted))

    def change(
        self,
        name: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        retention_bytes: requests.Bound = None,
        retention_ms: requests.Bound = None,
    ) -> StreamInfo:
        """Set a stream's properties; what is None stays as it is, metadata are replaced whole.

        A bound of retention that is ``"default"`` is the node's again.

        Raises:
            StreamNotFoundError: there is no such stream.
            InvalidArgumentError: a property is not allowed.
        """
        info = self.stat(name)
        return self._ask(
            requests.change(info, content_type, metadata, retention_bytes, retention_ms)
        )

    def list(self, prefix: str = "") -> Generator[StreamInfo, None, None]:
        """Describe all streams whose names begin with ``prefix``, in the order of their bytes.

        They are fetched page by page; streams made or deleted meanwhile may or may not be among
        them.
        """
        token = ""
        while True:
            infos, token = self._ask(requests.list_page(prefix, token))
            yield from infos
            if not token:
                return

    def seal(self, name: str, *, stream_id: int | None = None) -> StreamInfo:
        """End a stream: no byte follows, ever. Sealing twice is fine.

        Raises:
            StreamNotFoundError: there is no such stream.
        """
        return self._ask(requests.seal(name, stream_id or 0))

    def trim(self, name: str, before: int, *, stream_id: int | None = None) -> StreamInfo:
        """Drop the bytes before an offset; where they are gone already, nothing happens.

        Raises:
            StreamNotFoundError: there is no such stream.
            OffsetOutOfRangeError: the stream ends before ``before``.
        """
        return self._ask(requests.trim(name, before, stream_id or 0))

    def delete(self, name: str, *, stream_id: int | None = None) -> None:
        """Remove a stream; one that is made anew under its name is another stream.

        Raises:
            StreamNotFoundError: there is no such stream.
        """
        self._ask(requests.delete(name, stream_id or self.stat(name).stream_id))

    # -- inside -------------------------------------------------------------------------------

    def _ask(self, unary: requests.Unary[_Value]) -> _Value:
        attempts = self._attempts(max(self._budget_ms, unary.budget_ms_min))
        lost = False
        while True:
            address, channel = self._sockets.channel()
            timeout_s = attempts.timeout_ms(now_ms()) / 1000
            try:
                call: _UnaryUnary = channel.unary_unary(unary.path)
                return unary.read(call(unary.request, timeout=timeout_s))
            except grpc.RpcError as failure:
                error = error_of(failure, address)
                if lost and unary.after_lost is not None and isinstance(error, UsageError):
                    return unary.after_lost(error)
                lost = lost or (blames_server(error) and reached_server(failure))
            self._pause(attempts, error, address)

    def _attempts(self, budget: int) -> Attempts:
        return Attempts(budget, now_ms(), random.random, len(self._sockets.addresses))

    def _pause(self, attempts: Attempts, error: GoutubeError, address: str) -> None:
        """Wait before another try.

        Raises:
            GoutubeError: another try is of no use or comes too late.
        """
        self._sockets.failed(address, error)
        self._sockets.wait(attempts.failed(error, now_ms()))

    def _budget(self, timeout_s: float | None) -> int:
        return self._budget_ms if timeout_s is None else budget_ms(timeout_s)


def connect(*addresses: str | Iterable[str], timeout_s: float = 30.0) -> Client:
    """Make a client; the server is asked with the first call, not before.

    Args:
        addresses: ``HOST:PORT`` of any nodes of one cluster: one text with commas, a list, or
            several arguments. None at all means ``127.0.0.1:7373``.
        timeout_s: seconds without progress after which a call gives up.

    Raises:
        InvalidArgumentError: an address or the timeout is not allowed.
    """
    return Client(parse_addresses(addresses), timeout_s)
