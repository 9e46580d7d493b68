"""What both clients know of gRPC: channel options, and which error a failed call stands for."""

from __future__ import annotations

import time
from functools import cache
from typing import Final, Protocol

import grpc

from goutube.api import status
from goutube.errors import (
    DeadlineExceededError,
    GoutubeError,
    InvalidArgumentError,
    ShuttingDownError,
    UnavailableError,
)
from goutube.limits import MESSAGE_BYTES_MAX, MIB

KEEPALIVE_MS: Final = 30_000
"""A call that is open and silent for so long is probed; a server that is gone is noticed by it."""
IDLE_CALL_S: Final = 5.0
"""An append call without appends is closed after this, so that its server can forget it."""
OPEN_CALLS_MAX: Final = 64
"""Streams whose append calls are kept open at the same time, unless more are in use."""

CHANNEL_OPTIONS: Final = (
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # gRPC knows nothing of sequence numbers and cursors: what is repeated is decided in routing.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Two clients of one process must not wait for each other's backoff.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)

_LONGEST_BUFFER_BYTES: Final = 8 * MIB
"""Above the largest message that comes again and again; up to twice as much stays in each heap."""
_NEVER_CONNECTED: Final = ("failed to connect to all addresses", "DNS resolution failed")
"""How gRPC begins the message of a call that found no connection to go out on."""
_BROKEN: Final = ("RST_STREAM", "Stream removed", "GOAWAY", "Internal error from Core")
"""Connections that break can also show as INTERNAL or UNKNOWN; gRPC then says one of these.

The last one hides whatever the status was: grpc.aio puts it there when it writes to a call that has
just ended (grpc/grpc#36066). The batches are sent again and meet the true answer.
"""


@cache
def expect_large_messages() -> None:
    """Have the C library use the memory of freed messages again; done once for the process.

    glibc hands a freed block back to the system where it is longer than any that was freed before
    it was (mallopt(3), "M_MMAP_THRESHOLD"), and keeps twice as much that is free at a heap's end.
    An answer of a mebibyte is copied three times on its way to the user, each time into new memory:
    that were 768 page faults, half of the time that a bulk read takes. So one block is freed here
    that is longer. Nothing changes where the user has set a threshold, or with another C library.
    """
    bytes(_LONGEST_BUFFER_BYTES)


class Failure(Protocol):
    """The part of a failed call that the synchronous and the asyncio gRPC have in common."""

    def code(self) -> grpc.StatusCode:
        """The status."""

    def details(self) -> str | None:
        """The sentence."""

    def trailing_metadata(self) -> object:
        """The trailers, with the error's details."""


def now_ms() -> int:
    """A monotonic clock in milliseconds."""
    return time.monotonic_ns() // 1_000_000


def error_of(failure: Failure, address: str) -> GoutubeError:
    """The error that a failed call stands for; it names the server where gRPC itself gave up."""
    message = failure.details() or ""
    trailers = failure.trailing_metadata() or ()
    error = status.from_rpc(failure.code(), message, trailers)  # type: ignore[arg-type]  # see Failure
    if "code" not in error.fields:
        return error
    broken = type(error) is GoutubeError and any(word in message for word in _BROKEN)
    if broken or isinstance(error, UnavailableError):
        return UnavailableError(f"no answer from the server at {address}: {message}")
    if isinstance(error, DeadlineExceededError):
        return DeadlineExceededError(f"the server at {address} did not answer in time")
    return error


def reached_server(failure: Failure) -> bool:
    """Whether anything of a failed call may have reached a server; in doubt, it has."""
    message = failure.details() or ""
    return not message.startswith(_NEVER_CONNECTED)


def blames_server(error: GoutubeError) -> bool:
    """Whether another server should be asked next."""
    return isinstance(error, (UnavailableError, ShuttingDownError, DeadlineExceededError))


def closed_error() -> UnavailableError:
    """What a call through a closed client meets."""
    return UnavailableError("the client is closed; connect again")


def budget_ms(timeout_s: float) -> int:
    """A caller's timeout in milliseconds.

    Raises:
        InvalidArgumentError: it is not a positive number of seconds.
    """
    if not 0 < timeout_s < 1e9:
        raise InvalidArgumentError(f"timeout_s is {timeout_s!r}; it must be a number above 0")
    return max(1, round(timeout_s * 1000))
