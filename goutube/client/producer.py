"""The synchronous producer: records of any number of threads, batched and pipelined.

Two threads work for it while there is something to do: gRPC's own takes batches from the session
when they are due, and one of ours opens the calls and reads the answers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias
from weakref import WeakSet

import grpc

from goutube.api import methods
from goutube.client import requests
from goutube.client.producing import make_gatherer
from goutube.client.sent import SentGroup, SentRecord
from goutube.client.sockets import Sockets
from goutube.client.transport import IDLE_CALL_S, closed_error, error_of, now_ms, reached_server
from goutube.errors import DeadlineExceededError, GoutubeError, UnavailableError
from goutube.limits import MIB, PRODUCER_WINDOW_BATCHES
from goutube.routing import Gatherer, ProducerOptions, check_record, retold

_StreamStream: TypeAlias = "grpc.StreamStreamMultiCallable[bytes, bytes]"
_JOIN_S: Final = 2.0
_IDLE_MS: Final = round(IDLE_CALL_S * 1000)


class Producer:
    """Sends records of one stream in batches; made by ``Client.producer``.

    Records are committed exactly once and in the order of ``send``. The first batch that fails ends
    the producer: nothing that was sent behind it is appended, every handle gets the error, and
    ``send``, ``flush`` and ``close`` raise it from then on. May be used by several threads.

    Use it as a context manager, or call ``close``: an interpreter that ends without it loses what
    was not yet acknowledged.
    """

    def __init__(self, gatherer: Gatherer[SentGroup], sockets: Sockets) -> None:
        gatherer.group.tell()  # nothing was sent yet: there is nothing to wait for
        self._gatherer = gatherer
        self._session = gatherer.session
        self._add = gatherer.builder.add
        self._sockets = sockets
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        """Rung when there may be something to send."""
        self._room = threading.Condition(self._lock)
        """Rung when batches have ended."""
        self._thread: threading.Thread | None = None
        self._call: grpc.Call | None = None
        self._call_number = 0
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except GoutubeError:
            if error is None:
                raise

    def send(self, record: bytes) -> SentRecord:
        """Give a record to the next batch; wait while ``buffer_bytes`` are under way.

        Args:
            record: 1 byte to 16 MiB, copied.

        Returns:
            A handle; its ``result()`` tells where the record lies.

        Raises:
            InvalidArgumentError, RecordTooLargeError: no record; the producer goes on.
            DeadlineExceededError, OutcomeUnknownError: the buffer is full, and nothing went on for
                ``timeout_s`` seconds.
            GoutubeError: what ended the producer before.
        """
        with self._lock:
            number = self._add(record)
            if number < 0:
                number = self._add_slowly(record)
            return SentRecord(self._gatherer.group, number)

    def send_many(self, records: Iterable[bytes]) -> list[SentRecord]:
        """``send`` for each of several records; faster, and not atomic.

        Raises:
            GoutubeError: as ``send`` does; the records before the one that met it are sent.
        """
        sent: list[SentRecord] = []
        with self._lock:
            for record in records:
                number = self._add(record)
                if number < 0:
                    number = self._add_slowly(record)
                sent.append(SentRecord(self._gatherer.group, number))
        return sent

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until all that was sent is committed.

        Args:
            timeout_s: seconds to wait at most; None waits as long as the producer itself does.

        Raises:
            DeadlineExceededError: ``timeout_s`` has passed; the records are still under way.
            GoutubeError: what ended the producer.
        """
        with self._lock:
            self._gatherer.flush()
            self._due.notify_all()
            last = self._gatherer.group  # batches end in order
            if not self._room.wait_for(lambda: last.ended, timeout_s):
                raise DeadlineExceededError(
                    f"not all records were acknowledged within {timeout_s} s; they are still under "
                    "way"
                )
            self._check()

    def close(self) -> None:
        """``flush``, then take no more records; closing twice is fine.

        Raises:
            GoutubeError: what ended the producer.
        """
        with self._lock:
            if self._closing and self._thread is None:
                return
            self._closing = True
        try:
            self.flush()
        finally:
            with self._lock:
                self._due.notify_all()
                thread = self._thread
            if thread is not None and thread is not threading.current_thread():
                thread.join(_JOIN_S)

    def abort(self) -> None:
        """The client is closed: nothing is sent any more, what is under way fails."""
        with self._lock:
            self._closing = True
            self._gatherer.fail(closed_error())
            self._hang_up()
        self._tell()

    # -- the sender's side --------------------------------------------------------------------

    def _add_slowly(self, record: bytes) -> int:
        """Add a record that the open batch did not take, to the next one."""
        content = check_record(record)
        while True:
            number = self._add(content)
            if number >= 0:
                return number
            self._check()
            if self._closing:
                raise UnavailableError("the producer is closed; make another one")
            self._start()
            self._gatherer.close_group(now_ms())
            opened = self._gatherer.open_group(now_ms())
            self._due.notify_all()
            if not opened:
                self._room.wait()

    def _check(self) -> None:
        if self._session.failure is not None:
            raise retold(self._session.failure, "the producer has ended")

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._serve, name=f"goutube-producer-{self._session.stream}", daemon=True
            )
            self._thread.start()

    # -- the threads' side --------------------------------------------------------------------

    def _serve(self) -> None:
        """Keep a call open while there is something to send."""
        while True:
            with self._lock:
                if self._gatherer.quiet:
                    self._thread = None
                    return
                self._session.opened()
                self._call_number += 1
                number = self._call_number
            wait_ms = self._converse(number)
            self._tell()
            if wait_ms:
                self._sockets.wait(wait_ms)

    def _converse(self, number: int) -> int:
        """Hold one call from its beginning to its end; how long to wait before the next one."""
        error: GoutubeError = UnavailableError("the server ended the append call")
        received, address = True, ""
        try:
            address, channel = self._sockets.channel()
            start: _StreamStream = channel.stream_stream(methods.APPEND)
            self._call = call = start(self._messages(number))
            for message in call:
                self._hear(number, message)
                self._tell()
        except grpc.RpcError as failure:
            error, received = error_of(failure, address), reached_server(failure)
        except GoutubeError as fault:
            error = fault
        with self._lock:
            self._hang_up()
            if self._session.idle:
                return 0
            self._sockets.failed(address, error)
            if self._gatherer.expire(now_ms()):
                return 0
            return self._session.ended(error, received=received)

    def _messages(self, number: int) -> Iterator[bytes]:
        """What gRPC sends on one call."""
        while True:
            with self._lock:
                message = self._next_message(number)
            if message is None:
                return
            yield message

    def _next_message(self, number: int) -> bytes | None:
        """The next batch as soon as it is due; None when nothing more goes on this call."""
        while self._call_number == number:
            now = now_ms()
            if self._gatherer.expire(now):
                self._hang_up()
                break
            parcel = self._gatherer.next_parcel(now)
            if parcel is not None:
                return requests.append_message(self._session, parcel)
            wait_ms = self._gatherer.wait_ms(now)
            rung = self._due.wait((_IDLE_MS if wait_ms is None else max(1, wait_ms)) / 1000)
            if self._gatherer.quiet and (self._closing or not rung):
                break
        return None

    def _hear(self, number: int, message: bytes) -> None:
        request, result = requests.append_answer(message)
        with self._lock:
            if self._call_number == number:
                self._session.answered(request, result, now_ms())
                self._due.notify_all()

    def _hang_up(self) -> None:
        """Send nothing more on this call, and hear nothing more from it."""
        self._call_number += 1
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._due.notify_all()

    def _tell(self) -> None:
        """Tell those who wait what has ended; nobody is called back under the lock."""
        with self._lock:
            ended = self._gatherer.take_ended()
        for group in ended:
            group.tell()
        with self._lock:
            self._room.notify_all()


class Produces(Protocol):
    """What ``Producers`` needs of its client."""

    _sockets: Sockets
    _lock: threading.Lock
    _producers: WeakSet[Producer]

    def _budget(self, timeout_s: float | None) -> int:
        """A caller's timeout in milliseconds."""


class Producers:
    """What makes a synchronous client make producers."""

    def producer(
        self: Produces,
        stream: str,
        *,
        name: str | None = None,
        linger_ms: float = 5.0,
        batch_bytes: int = MIB,
        buffer_bytes: int = 32 * MIB,
        in_flight: int = PRODUCER_WINDOW_BATCHES,
        timeout_s: float | None = None,
    ) -> Producer:
        """Make a producer: for very many records, batched, pipelined, each committed exactly once.

        Args:
            stream: the stream's name; it is created with the first record if it is not there.
            name: makes the producer the only one of this name on the stream: with its first record
                it takes over from an earlier one, which meets ``ProducerFencedError``.
            linger_ms: how long a record waits for others to share its batch.
            batch_bytes: record bytes at which a batch is full, up to 16 MiB.
            buffer_bytes: memory for records that are not yet acknowledged; ``send`` waits while it
                is full.
            in_flight: batches under way at once, 1 to 16.
            timeout_s: seconds without progress after which to give up; the client's if None.

        Raises:
            InvalidArgumentError: an argument is not allowed.
        """
        options = ProducerOptions(linger_ms, batch_bytes, buffer_bytes, in_flight)
        gatherer = make_gatherer(stream, name, options, self._budget(timeout_s))
        producer = Producer(gatherer, self._sockets)
        with self._lock:
            self._producers.add(producer)
        return producer
