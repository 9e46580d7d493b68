"""The synchronous client's channels: one for each server that it has asked."""

from __future__ import annotations

import threading

import grpc

from goutube.client.transport import (
    CHANNEL_OPTIONS,
    blames_server,
    closed_error,
    expect_large_messages,
)
from goutube.errors import GoutubeError
from goutube.routing import AddressBook


class Sockets:
    """Channels by address, and which address is in use; safe for several threads."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._book = AddressBook(addresses)
        self._lock = threading.Lock()
        self._channels: dict[str, grpc.Channel] = {}
        self._closed = threading.Event()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address, in the order given."""
        return self._book.all

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed.is_set()

    def channel(self) -> tuple[str, grpc.Channel]:
        """The address in use and its channel.

        Raises:
            UnavailableError: the client is closed.
        """
        with self._lock:
            if self.closed:
                raise closed_error()
            address = self._book.current
            channel = self._channels.get(address)
            if channel is None:
                expect_large_messages()
                channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
                self._channels[address] = channel
            return address, channel

    def failed(self, address: str, error: GoutubeError) -> None:
        """Ask another server next if this one is to blame."""
        if blames_server(error):
            with self._lock:
                self._book.failed(address)

    def wait(self, wait_ms: int) -> None:
        """Sleep, but not beyond ``close``."""
        self._closed.wait(wait_ms / 1000)

    def close(self) -> None:
        """Close all channels; calls that are open end."""
        with self._lock:
            self._closed.set()
            channels = list(self._channels.values())
            self._channels.clear()
        for channel in channels:
            channel.close()
