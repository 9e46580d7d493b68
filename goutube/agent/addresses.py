"""Which address others are told where the bound one names no host."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final

from goutube.config import split_address

_SOMEWHERE: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Addresses for documents (RFC 5737, RFC 3849): nothing is sent there, only a route looked up."""


def advertised(bound: str, wished: str | None) -> str:
    """The address to tell others where it is not the one that will be bound; else empty.

    Bound to every address of the machine, the one that its route to the world leaves from is told.
    """
    if wished is not None:
        return wished
    host, port = split_address(bound)
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    return f"{_outward(address.version)}:{port}" if address.is_unspecified else ""


def _outward(version: int) -> str:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_SOMEWHERE[version], 9))
        except OSError:
            return "127.0.0.1" if version == 4 else "[::1]"
        host = str(probe.getsockname()[0])
    return host if version == 4 else f"[{host}]"
