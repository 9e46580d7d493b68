"""Streams: one exchange on one TCP connection, read as it comes in.

From the outside in: label (only from the side that opened), encryption, compression, one message.
Without encryption nothing tells the length beforehand: the values themselves do.
"""

from __future__ import annotations

import struct
from typing import Final

from goutube.errors import WireFormatError
from goutube.limits import MIB
from goutube.membership.dialect import next_value, unpacker
from goutube.membership.keyring import OVERHEAD_BYTES
from goutube.membership.messages import (
    Ack,
    Kind,
    NodeState,
    Ping,
    PushPull,
    PushPullHeader,
    StreamError,
    encode_message,
    encode_push_pull,
)
from goutube.membership.packet import Compressed, Seal, expand, label_header, without_label

STREAM_BYTES_MAX: Final = 8 * MIB
"""One message of a stream, in every layer; a thousand nodes take about 300 KiB."""
NODES_MAX: Final = 16_384
_FRAME_BYTES: Final = 5

StreamMessage = Ping | Ack | PushPull | StreamError

_BODIES: Final[dict[int, type[Ping | Ack | StreamError]]] = {
    body.KIND: body for body in (Ping, Ack, StreamError)
}


def seal_stream(message: StreamMessage, seal: Seal, nonce: bytes, *, opening: bool) -> bytes:
    """The bytes of a stream.

    Args:
        message: what to say.
        seal: the layers around it.
        nonce: 12 random bytes, where there is a key.
        opening: whether we opened the connection.
    """
    plain = encode_push_pull(message) if isinstance(message, PushPull) else encode_message(message)
    if seal.keyring:
        plain = _frame(plain, seal, nonce)
    return (label_header(seal) if opening else b"") + plain


def _frame(plain: bytes, seal: Seal, nonce: bytes) -> bytes:
    header = struct.pack(">BI", Kind.ENCRYPTED, len(plain) + OVERHEAD_BYTES)
    return header + seal.keyring.seal(plain, nonce, header + seal.label)


class StreamReader:
    """Takes bytes as they come until they make a message.

    Args:
        opened_by_peer: whether a label is due.
    """

    def __init__(self, seal: Seal, *, opened_by_peer: bool) -> None:
        self._seal = seal
        self._label_due = opened_by_peer
        self._start = b""
        self._frame: bytearray | None = None
        self._message: _MessageReader | None = None
        self._size = 0

    def feed(self, data: bytes) -> StreamMessage | None:
        """Take the next bytes; the message, once it is whole.

        Raises:
            WireFormatError: no message comes of this; the field ``fault`` may say why.
        """
        self._size += len(data)
        if self._size > STREAM_BYTES_MAX:
            raise WireFormatError(f"a stream is longer than {STREAM_BYTES_MAX} bytes", fault="size")
        if self._message is not None:
            return self._message.feed(data)
        if self._frame is not None:
            self._frame += data
            return self._opened()
        self._start += data
        return self._begun()

    def _begun(self) -> StreamMessage | None:
        if not self._start or not self._label_taken():
            return None
        start, encrypted = self._start, self._start[:1] == bytes((Kind.ENCRYPTED,))
        if encrypted and not self._seal.keyring:
            raise WireFormatError(
                "remote state is encrypted and encryption is not configured", fault="encrypted"
            )
        if not encrypted and self._seal.keyring:
            raise WireFormatError(
                "encryption is configured but remote state is not encrypted", fault="not-encrypted"
            )
        if encrypted:
            self._frame = bytearray(start)
            return self._opened()
        self._message = _MessageReader(start[0], expandable=True)
        return self._message.feed(start[1:])

    def _label_taken(self) -> bool:
        if not self._label_due:
            return bool(self._start)
        header = label_header(self._seal)
        if header.startswith(self._start) and len(self._start) < len(header):
            return False
        self._start = without_label(self._start, self._seal)
        self._label_due = False
        return bool(self._start)

    def _opened(self) -> StreamMessage | None:
        assert self._frame is not None
        if len(self._frame) < _FRAME_BYTES:
            return None
        header = bytes(self._frame[:_FRAME_BYTES])
        length = int.from_bytes(header[1:], "big")
        if length > STREAM_BYTES_MAX:
            raise WireFormatError(f"a frame of {length} bytes is too long", fault="size")
        if len(self._frame) < _FRAME_BYTES + length:
            return None
        envelope = bytes(self._frame[_FRAME_BYTES : _FRAME_BYTES + length])
        return read_message(self._seal.keyring.open(envelope, header + self._seal.label))


def read_message(plain: bytes, *, expandable: bool = True) -> StreamMessage:
    """The one message in bytes that hold the whole of it.

    Raises:
        WireFormatError: it is damaged or cut off.
    """
    if not plain:
        raise WireFormatError("a stream's message has no bytes", fault="empty")
    message = _MessageReader(plain[0], expandable=expandable).feed(plain[1:])
    if message is None:
        raise WireFormatError("a stream's message is cut off", fault="cut")
    return message


class _MessageReader:
    """One message without encryption, behind its type byte."""

    def __init__(self, kind: int, *, expandable: bool) -> None:
        if kind == Kind.COMPRESSED and not expandable:
            raise WireFormatError("a stream is compressed twice", fault="compression")
        if kind not in (Kind.PUSH_PULL, Kind.COMPRESSED, Kind.PING, Kind.ACK, Kind.ERROR):
            raise WireFormatError(f"a stream holds no message of type {kind}", fault="type")
        self._kind = kind
        self._source = unpacker(STREAM_BYTES_MAX)
        self._fed = 0
        self._header: PushPullHeader | None = None
        self._nodes: list[NodeState] = []

    def feed(self, data: bytes) -> StreamMessage | None:
        """Take the next bytes; the message, once it is whole."""
        self._source.feed(data)
        self._fed += len(data)
        try:
            if self._kind == Kind.PUSH_PULL:
                return self._push_pull()
            value = next_value(self._source)
        except EOFError:
            return None
        if self._kind in _BODIES:
            return _BODIES[self._kind].from_value(value)
        layer = Compressed.from_value(value)
        return read_message(expand(layer, STREAM_BYTES_MAX), expandable=False)

    def _push_pull(self) -> PushPull | None:
        if self._header is None:
            self._header = PushPullHeader.from_value(next_value(self._source))
            if self._header.nodes > NODES_MAX or self._header.user_state_bytes > STREAM_BYTES_MAX:
                raise WireFormatError("a push/pull announces more than it may", fault="size")
        while len(self._nodes) < self._header.nodes:
            self._nodes.append(NodeState.from_value(next_value(self._source)))
        if self._fed - self._source.tell() < self._header.user_state_bytes:
            return None
        tail = bytes(self._source.read_bytes(self._header.user_state_bytes))
        return PushPull(self._header.join, tuple(self._nodes), tail)
