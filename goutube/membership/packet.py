"""Datagrams: the layers around messages, put on in one order and taken off in any that may occur.

From the outside in: label, encryption, checksum, then commands. A command is a message, or a run of
commands (compound), or a compressed command.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import ClassVar, Final

from msgspec import Struct

from goutube.errors import WireFormatError
from goutube.membership.dialect import Body, blob, u8
from goutube.membership.keyring import OVERHEAD_BYTES, Keyring
from goutube.membership.lzw import decompress
from goutube.membership.messages import Kind

PACKET_BYTES: Final = 1400
"""What a datagram is planned for; the five bytes of a checksum may come on top."""
PACKET_BYTES_MAX: Final = 65_536
PARTS_MAX: Final = 127
"""Parts of one compound: with more, agents before memberlist 0.3.2 cut at the wrong places."""
_DEPTH_MAX: Final = 4
_NESTING: Final = (int(Kind.COMPOUND), int(Kind.COMPRESSED))
_CRC_BYTES: Final = 5
CRC_VERSION: Final = 5
"""Peers whose greatest protocol version is at least this read checksums."""


class Compressed(Body, frozen=True):
    """The layer of compression."""

    LAYOUT: ClassVar = {"Algo": u8, "Buf": blob}

    algorithm: int
    buffer: bytes


class Seal(Struct, frozen=True):
    """What all packets and streams of one cluster share.

    Attributes:
        keyring: empty where gossip is not encrypted.
        label: empty where the cluster has none.
    """

    keyring: Keyring
    label: bytes = b""

    @property
    def overhead_bytes(self) -> int:
        """Bytes that label and encryption take from a packet."""
        label = len(self.label) + 2 if self.label else 0
        return label + (OVERHEAD_BYTES if self.keyring else 0)


def bundle(parts: Sequence[bytes]) -> bytes:
    """One command of several."""
    if len(parts) == 1:
        return parts[0]
    assert 1 < len(parts) <= PARTS_MAX
    lengths = struct.pack(f">{len(parts)}H", *map(len, parts))
    return bytes((Kind.COMPOUND, len(parts))) + lengths + b"".join(parts)


def seal_packet(command: bytes, seal: Seal, nonce: bytes, *, checksum: bool = False) -> bytes:
    """The datagram that carries a command.

    Args:
        command: a message, or several as a bundle.
        seal: the layers around it.
        nonce: 12 random bytes, where there is a key.
        checksum: for peers that read it.
    """
    packet = command
    if checksum:
        packet = struct.pack(">BI", Kind.CRC, zlib.crc32(command)) + command
    if seal.keyring:
        packet = seal.keyring.seal(packet, nonce, seal.label)
    return label_header(seal) + packet


def open_packet(packet: bytes, seal: Seal) -> list[bytes]:
    """The messages of a datagram, each with its type byte.

    Raises:
        WireFormatError: a layer is wrong; the field ``fault`` says which.
    """
    packet = without_label(packet, seal)
    if seal.keyring:
        packet = seal.keyring.open(packet, seal.label)
    if len(packet) >= _CRC_BYTES and packet[0] == Kind.CRC:
        expected = int.from_bytes(packet[1:_CRC_BYTES], "big")
        packet = packet[_CRC_BYTES:]
        if zlib.crc32(packet) != expected:
            raise WireFormatError("the checksum of a packet is wrong", fault="checksum")
    unwrapping = _Unwrapping()
    unwrapping.take(packet, _DEPTH_MAX)
    return unwrapping.messages


def label_header(seal: Seal) -> bytes:
    """What stands before everything else."""
    if not seal.label:
        return b""
    return bytes((Kind.LABEL, len(seal.label))) + seal.label


def without_label(packet: bytes, seal: Seal) -> bytes:
    """A packet or the start of a stream behind its label.

    Raises:
        WireFormatError: the label is missing, or not ours.
    """
    header = label_header(seal)
    if header and packet.startswith(header):
        return packet[len(header) :]
    if header or packet[:1] == bytes((Kind.LABEL,)):
        raise WireFormatError("the label is not this cluster's", fault="label")
    return packet


def expand(layer: Compressed, bytes_max: int) -> bytes:
    """What a compressed command holds.

    Raises:
        WireFormatError: it is damaged, of another algorithm or longer than allowed.
    """
    if layer.algorithm != 0:
        raise WireFormatError(f"compression {layer.algorithm} is unknown", fault="compression")
    return decompress(layer.buffer, bytes_max)


class _Unwrapping:
    """Messages found so far in a packet, and how many bytes it may still grow by."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._room_bytes = PACKET_BYTES_MAX

    def take(self, command: bytes, depth: int) -> None:
        """Look into a command, ``depth`` layers deep at most."""
        if not command:
            raise WireFormatError("a command has no bytes", fault="empty")
        if command[0] not in _NESTING:
            self.messages.append(command)
            return
        if depth == 0:
            raise WireFormatError(f"commands nest deeper than {_DEPTH_MAX}", fault="depth")
        if command[0] == Kind.COMPRESSED:
            inner = expand(Compressed.decode(command[1:]), self._room_bytes)
            self._room_bytes -= len(inner)
            self.take(inner, depth - 1)
            return
        for part in _parts(command):
            self.take(part, depth - 1)


def _parts(command: bytes) -> list[bytes]:
    """The whole parts of a compound; a tail that was cut off is dropped."""
    count = command[1] if len(command) > 1 else 0
    position = 2 + 2 * count
    if count == 0 or position > len(command):
        raise WireFormatError("a compound is cut off before its parts", fault="compound")
    parts = []
    for length in struct.unpack_from(f">{count}H", command, 2):
        if position + length > len(command):
            break
        parts.append(command[position : position + length])
        position += length
    return parts
