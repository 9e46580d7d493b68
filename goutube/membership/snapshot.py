"""What a node keeps of its members, so that it finds them again after a restart.

Lines of text as Serf writes them, and two of our own: ``failed`` members, who may be back, and the
``cluster`` that the members belong to. The file is small and written as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from goutube.membership.effects import Endpoint, Member, Status

_PORT_MAX: Final = 65_535


class Snapshot(Struct, frozen=True):
    """Members by name, the alive ones before the failed, and the clocks."""

    members: tuple[tuple[str, Endpoint], ...] = ()
    clocks: tuple[int, int, int] = (0, 0, 0)
    cluster: str = ""


def render_snapshot(
    members: Iterable[Member], my_name: str, clocks: tuple[int, int, int], cluster: str
) -> bytes:
    """The file's bytes."""
    lines = []
    for status, word in ((Status.ALIVE, "alive"), (Status.FAILED, "failed")):
        lines += [
            f"{word}: {member.name} {show_endpoint(member.endpoint)}"
            for member in sorted(members, key=lambda one: one.name)
            if member.status == status and member.name != my_name and "\n" not in member.name
        ]
    words = ("clock", "event-clock", "query-clock")
    lines += [f"{word}: {max(0, time - 1)}" for word, time in zip(words, clocks, strict=True)]
    if cluster:
        lines.append(f"cluster: {cluster}")
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")


def parse_snapshot(raw: bytes) -> Snapshot:
    """What a file says; lines that say nothing to us are skipped."""
    members: list[tuple[str, Endpoint]] = []
    clocks = {"clock": 0, "event-clock": 0, "query-clock": 0}
    cluster = ""
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        word, _, rest = line.partition(": ")
        if word in ("alive", "failed"):
            name, _, place = rest.rpartition(" ")
            endpoint = _read_endpoint(place)
            if name and endpoint is not None:
                members.append((name, endpoint))
        elif word in clocks and rest.isascii() and rest.isdecimal():
            clocks[word] = min(int(rest), 1 << 62)
        elif word == "cluster":
            cluster = rest
    return Snapshot(tuple(members), (*clocks.values(),), cluster)  # type: ignore[arg-type]


def show_endpoint(endpoint: Endpoint) -> str:
    """``HOST:PORT``, an IPv6 address in brackets."""
    addr, port = endpoint.plain()
    host = ip_address(addr).compressed
    return f"{host}:{port}" if len(addr) == 4 else f"[{host}]:{port}"


def _read_endpoint(place: str) -> Endpoint | None:
    host, _, port = place.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= _PORT_MAX):
        return None
    try:
        return Endpoint(ip_address(host.strip("[]")).packed, int(port))
    except ValueError:
        return None
