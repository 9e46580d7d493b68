"""One call of a read, for the synchronous client: its next message is fetched while one is used.

gRPC fetches a message only when it is asked for one. Of large ones, fetching takes as long as
verifying and copying them, and neither needs the other's processor.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from queue import SimpleQueue
from typing import Final, TypeAlias

import grpc

from goutube.api import methods
from goutube.limits import KIB

_UnaryStream: TypeAlias = "grpc.UnaryStreamMultiCallable[bytes, bytes]"

AHEAD_BYTES: Final = 256 * KIB
"""From the first message as long as this on a thread fetches: with less, waking it costs more."""


@contextmanager
def read_call(
    channel: grpc.Channel, request: bytes, timeout_s: float | None
) -> Iterator[Iterator[bytes]]:
    """A Read call and its messages; leaving the context ends it, wherever it is.

    Raises (iterating):
        grpc.RpcError: the call has failed.
    """
    start: _UnaryStream = channel.unary_stream(methods.READ)
    call = start(request, timeout=timeout_s)
    try:
        with closing(_fetched(call)) as messages:
            yield messages
    finally:
        call.cancel()


def _fetched(call: Iterator[bytes]) -> Generator[bytes]:
    for message in call:
        yield message
        if len(message) >= AHEAD_BYTES:
            break
    else:
        return
    messages: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
    room = threading.Semaphore(0)

    def fetch() -> None:
        # One waits to be taken, at most, while one is in use. The end of the call ends this thread.
        try:
            for message in call:
                messages.put(message)
                room.acquire()
        except BaseException as error:  # noqa: BLE001 - raised again where messages are taken
            messages.put(error)
        else:
            messages.put(None)

    threading.Thread(target=fetch, name="goutube-read", daemon=True).start()
    try:
        while (taken := messages.get()) is not None:
            if isinstance(taken, BaseException):
                raise taken
            room.release()
            yield taken
    finally:
        room.release()
