"""The synchronous client's appends to one stream: a session, its open call and its thread.

An append call stays open for a while, because on an open call an append costs one message each way
and nothing else. Whoever appends writes to the call; one thread reads the answers, and opens the
next call when one breaks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

import grpc

from goutube.api import methods
from goutube.client import requests
from goutube.client.sockets import Sockets
from goutube.client.transport import IDLE_CALL_S, closed_error, error_of, now_ms, reached_server
from goutube.errors import GoutubeError, UnavailableError
from goutube.model import AppendResult, Batch
from goutube.routing import Operation, ProducerSession

_StreamStream: TypeAlias = "grpc.StreamStreamMultiCallable[bytes, bytes]"
_Outbox = SimpleQueue[bytes | None]
_JOIN_S: Final = 2.0


class Waiting(Operation):
    """An append whose caller waits on a bell."""

    __slots__ = ("bell",)

    def __init__(self, expected_offset: int | None, stream_id: int, budget_ms: int) -> None:
        super().__init__(expected_offset, stream_id, budget_ms)
        self.bell: SimpleQueue[None] = SimpleQueue()


class Lane:
    """Appends of any number of threads to one stream, in one order.

    Args:
        session: numbers and remembers the batches; guarded by the lane's lock.
        sockets: the channels that calls go through.
    """

    def __init__(self, session: ProducerSession, sockets: Sockets) -> None:
        self._session = session
        self._sockets = sockets
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._outbox: _Outbox | None = None
        self._call: grpc.Call | None = None

    @property
    def idle(self) -> bool:
        """Whether no append is under way."""
        with self._lock:
            return self._session.idle

    def append(
        self, waiting: Waiting, batches: Iterable[tuple[Batch | None, bool]], *, seal: bool
    ) -> AppendResult:
        """Append batches, each with whether it is the last; return when all are committed."""
        try:
            for batch, last in batches:
                with self._lock:
                    self._session.submit(waiting, batch, now_ms(), seal=seal and last)
                    waiting.complete = last
                    self._pump()
                if not last:
                    self._make_room(waiting)
            self._wait(waiting, lambda: waiting.done)
        finally:
            self._leave(waiting)
        return waiting.result()

    def append_records(
        self, waiting: Waiting, records: Iterable[bytes], *, seal: bool
    ) -> AppendResult:
        """Append records as they come, in batches that grow while others are under way."""
        try:
            for record in records:
                with self._lock:
                    self._session.offer(waiting, record, now_ms())
                    self._pump()
                self._make_room(waiting)
            with self._lock:
                self._session.finish(waiting, now_ms(), seal=seal)
                self._pump()
            self._wait(waiting, lambda: waiting.done)
        finally:
            self._leave(waiting)
        return waiting.result()

    def retire(self) -> None:
        """Close the call if it is idle; a later append opens another one."""
        with self._lock:
            if self._session.idle and self._outbox is not None:
                self._outbox.put(None)
                self._outbox = None

    def close(self) -> None:
        """End everything; the channels are closed by now."""
        with self._lock:
            self._hang_up()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)

    # -- the caller's side --------------------------------------------------------------------

    def _pump(self) -> None:
        """Hand to the open call whatever may be sent; have a thread open one if there is none."""
        if self._thread is None and not self._session.idle:
            self._thread = threading.Thread(
                target=self._serve, name=f"goutube-append-{self._session.stream}", daemon=True
            )
            self._thread.start()
        outbox = self._outbox
        if outbox is None:
            return
        while (parcel := self._session.next_parcel(now_ms())) is not None:
            outbox.put(requests.append_message(self._session, parcel))

    def _make_room(self, waiting: Waiting) -> None:
        """Return when more may be added.

        Raises:
            GoutubeError: the append has failed, or nothing went on for too long.
        """
        self._wait(waiting, lambda: not waiting.crowded)
        if waiting.error is not None:
            raise waiting.error

    def _wait(self, waiting: Waiting, enough: Callable[[], bool]) -> None:
        while True:
            with self._lock:
                if waiting.error is not None:
                    return
                left_ms = waiting.left_ms(now_ms())
                if left_ms <= 0:
                    self._abandon(waiting)
                    return
                if enough():
                    return
            try:
                waiting.bell.get(timeout=left_ms / 1000)
            except Empty:
                continue

    def _leave(self, waiting: Waiting) -> None:
        """The caller goes: with the outcome, or because something interrupted it."""
        with self._lock:
            if not waiting.done:
                self._abandon(waiting)

    def _abandon(self, waiting: Waiting) -> None:
        if self._session.abandon(waiting):
            self._hang_up()

    def _hang_up(self) -> None:
        """Send nothing more on this call, and hear nothing more from it."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.put(None)
        if self._call is not None:
            self._call.cancel()

    # -- the thread's side --------------------------------------------------------------------

    def _serve(self) -> None:
        """Keep a call open while there is something to send."""
        while True:
            with self._lock:
                if self._sockets.closed:
                    self._session.close(closed_error())
                if self._session.idle:
                    self._ring()
                    self._thread = None
                    return
                outbox: _Outbox = SimpleQueue()
                self._outbox = outbox
                self._session.opened()
                self._pump()
            wait_ms = self._converse(outbox)
            if wait_ms:
                self._sockets.wait(wait_ms)

    def _converse(self, outbox: _Outbox) -> int:
        """Hold one call from its beginning to its end; how long to wait before the next one."""
        error: GoutubeError = UnavailableError("the server ended the append call")
        received, address = True, ""
        try:
            address, channel = self._sockets.channel()
            start: _StreamStream = channel.stream_stream(methods.APPEND)
            call = start(self._messages(outbox))
            self._call = call
            for message in call:
                if not self._hear(outbox, message):
                    break
        except grpc.RpcError as failure:
            error, received = error_of(failure, address), reached_server(failure)
        except GoutubeError as fault:
            error = fault
        return self._hung_up(outbox, address, error, received=received)

    def _messages(self, outbox: _Outbox) -> Iterator[bytes]:
        """What gRPC sends, until nothing has come for a while or the call is hung up."""
        while True:
            try:
                message = outbox.get(timeout=IDLE_CALL_S)
            except Empty:
                with self._lock:
                    if self._outbox is not outbox:
                        return
                    if self._session.idle:
                        self._outbox = None
                        return
                continue
            if message is None:
                return
            yield message

    def _hear(self, outbox: _Outbox, message: bytes) -> bool:
        request, result = requests.append_answer(message)
        with self._lock:
            if self._outbox is not outbox:
                return False
            self._session.answered(request, result, now_ms())
            self._pump()
            self._ring()
        return True

    def _hung_up(
        self, outbox: _Outbox, address: str, error: GoutubeError, *, received: bool
    ) -> int:
        self._sockets.failed(address, error)
        with self._lock:
            call, self._call = self._call, None
            if call is not None:
                call.cancel()
            outbox.put(None)
            if self._outbox is not outbox:
                return 0
            self._outbox = None
            if self._session.idle:
                return 0
            wait_ms = self._session.ended(error, received=received)
            self._ring()
            return wait_ms

    def _ring(self) -> None:
        for operation in self._session.take_woken():
            if isinstance(operation, Waiting):
                operation.bell.put(None)
