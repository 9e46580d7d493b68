"""The asyncio client's channels: one for each server that it has asked."""

from __future__ import annotations

import asyncio

import grpc.aio

from goutube.client.transport import (
    CHANNEL_OPTIONS,
    blames_server,
    closed_error,
    expect_large_messages,
)
from goutube.errors import GoutubeError
from goutube.routing import AddressBook


def is_cancelled() -> bool:
    """Whether a CancelledError is meant for this task: gRPC raises it for a closed call too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Channels:
    """Channels by address, and which address is in use; for one event loop."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._book = AddressBook(addresses)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self.closed = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address, in the order given."""
        return self._book.all

    def channel(self) -> tuple[str, grpc.aio.Channel]:
        """The address in use and its channel.

        Raises:
            UnavailableError: the client is closed.
        """
        if self.closed:
            raise closed_error()
        address = self._book.current
        channel = self._channels.get(address)
        if channel is None:
            expect_large_messages()
            channel = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)
            self._channels[address] = channel
        return address, channel

    def failed(self, address: str, error: GoutubeError) -> None:
        """Ask another server next if this one is to blame."""
        if blames_server(error):
            self._book.failed(address)

    async def close(self) -> None:
        """Close all channels; calls that are open end."""
        self.closed = True
        channels = list(self._channels.values())
        self._channels.clear()
        await asyncio.gather(*(channel.close() for channel in channels))
