"""How settings are written: addresses, sizes, lists; a refusal says what is understood."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Final

from pydantic import BeforeValidator, SecretStr

from goutube.limits import KIB, MIB

_SIZE: Final = re.compile(r"([0-9][0-9_]*)\s*([A-Za-z]*)")
_UNITS: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": 1024 * MIB}
_AGE_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_NODE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
NO_ADDRESS: Final = "off"
_KEY_BYTES: Final = (16, 24, 32)

_MEMBER_TYPES: Final = {
    "ShardMember": "shard",
    "LoadBalancerMember": "loadbalancer",
    "ReplicaMember": "replica",
}


def split_address(address: str) -> tuple[str, int]:
    """The host and port of a checked address; a host in brackets loses them."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost never counts."""
    host = split_address(address)[0]
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_address(text: object, default_host: str) -> str:
    """Check ``HOST:PORT``, ``[IPV6]:PORT``, or a port alone, which keeps the default host.

    Raises:
        ValueError: saying what is understood.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str):
        raise ValueError("must be HOST:PORT or a port, as text")  # noqa: TRY004 - pydantic's way
    if "://" in text:
        raise ValueError(
            "is a URL, not HOST:PORT. Kubernetes sets such variables for its services; "
            "enableServiceLinks: false keeps them away"
        )
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host = default_host
    if not (port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise ValueError("must be HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7373")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address(bare)
    except ValueError:
        if not _HOST_NAME.fullmatch(bare):
            raise ValueError(f"has {host!r} where a host name or IP address belongs") from None
        return f"{bare}:{int(port)}"
    if address.version == 6:
        if bare == host and colon:
            raise ValueError("must have its IPv6 address in brackets, such as [::1]:7373")
        return f"[{address.compressed}]:{int(port)}"
    return f"{address}:{int(port)}"


def parse_size(value: object) -> object:
    """Turn ``64MiB`` and its like into a number of bytes; a number passes.

    Raises:
        ValueError: saying what is understood.
    """
    if isinstance(value, bool):
        raise ValueError("must be a number of bytes")  # noqa: TRY004 - pydantic's way
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError("must be a number of bytes, such as 1048576, 1024KiB or 1MiB")
    return int(match[1]) * unit


def parse_age(value: object) -> object:
    """Turn ``7d``, ``12h``, ``30m``, ``45s`` or ``500ms`` into milliseconds; a number passes.

    Raises:
        ValueError: saying what is understood.
    """
    if isinstance(value, bool):
        raise ValueError("must be a time, such as 7d")  # noqa: TRY004 - pydantic's way
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    unit = _AGE_UNITS.get(match[2].lower()) if match else None
    if match is None or (unit is None and int(match[1])):
        raise ValueError("must be a time, such as 7d, 12h, 30m, 45s or 500ms; 0 for ever")
    return int(match[1]) * (unit or 0)


def _count(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic's way
    return value


def _list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _addresses(value: object) -> object:
    listed = _list(value)
    if not isinstance(listed, list | tuple):
        return listed
    parsed = tuple(parse_address(item, "") for item in listed)
    for address in parsed:
        if address.endswith(":0"):
            raise ValueError(f"has {address!r}: a member's port is never 0")
    return parsed


def decode_key(text: str) -> bytes:
    """A gossip key out of its base64.

    Raises:
        ValueError: it is none; without the text, which may be a key all the same.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise ValueError(
            "must be keys of 16, 24 or 32 bytes in base64, several by commas; "
            "head -c 32 /dev/urandom | base64 makes one"
        )
    return key


def _keys(value: object) -> object:
    listed = _list(value)
    for item in listed if isinstance(listed, list | tuple) else ():
        if isinstance(item, str):
            decode_key(item)
    return listed


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = {}
    for part in filter(None, map(str.strip, value.split(","))):
        key, equals, text = part.partition("=")
        if not (key and equals):
            raise ValueError("must be pairs KEY=VALUE, several by commas")
        pairs[key] = text
    return pairs


def _member_type(value: object) -> object:
    return _MEMBER_TYPES.get(value, value) if isinstance(value, str) else value


def _node_name(value: object) -> object:
    if isinstance(value, str) and not _NODE_NAME.fullmatch(value):
        raise ValueError("must be 1 to 128 letters, digits, '.', '-' or '_'")
    return value


def _address(default_host: str) -> Callable[[object], str]:
    return lambda value: parse_address(value, default_host)


def _address_or_off(default_host: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        return NO_ADDRESS if value == NO_ADDRESS else parse_address(value, default_host)

    return check


GossipAddress = Annotated[str, BeforeValidator(_address("0.0.0.0"))]  # noqa: S104 - the default
LocalAddress = Annotated[str, BeforeValidator(_address("127.0.0.1"))]
LocalAddressOrOff = Annotated[str, BeforeValidator(_address_or_off("127.0.0.1"))]
Size = Annotated[int, BeforeValidator(parse_size)]
Age = Annotated[int, BeforeValidator(parse_age)]
Count = Annotated[int, BeforeValidator(_count)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Keys = Annotated[tuple[SecretStr, ...], BeforeValidator(_keys)]
Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]
MemberTypeText = BeforeValidator(_member_type)
NodeName = Annotated[str, BeforeValidator(_node_name)]
