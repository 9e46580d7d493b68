"""Which servers a client may ask, and which of them it asks now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from goutube.errors import InvalidArgumentError

ADDRESS_DEFAULT: Final = "127.0.0.1:7373"


def parse_addresses(given: Sequence[str | Iterable[str]]) -> tuple[str, ...]:
    """Split and check server addresses: texts, with commas between several, or lists of texts.

    Returns:
        Each address once, in the order given; ``ADDRESS_DEFAULT`` if none is given at all.

    Raises:
        InvalidArgumentError: an address is not ``HOST:PORT`` (an IPv6 host stands in brackets).
    """
    texts = [text for one in given for text in ([one] if isinstance(one, str) else one)]
    addresses = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    for address in addresses:
        host, _, port = address.rpartition(":")
        bare = ":" in host and not (host.startswith("[") and host.endswith("]"))
        if not host or bare or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise InvalidArgumentError(
                f"{address!r} is no server address; write HOST:PORT, an IPv6 host in brackets",
                address=address,
            )
    if given and not addresses:
        raise InvalidArgumentError("no server address is given; write HOST:PORT, several by commas")
    return tuple(dict.fromkeys(addresses)) or (ADDRESS_DEFAULT,)


class AddressBook:
    """The addresses in turn: one is in use until it fails, then the next one is.

    Args:
        addresses: one or more, as ``parse_addresses`` returns them.
    """

    __slots__ = ("_addresses", "_place")

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        self._place = 0

    @property
    def current(self) -> str:
        """The address to ask."""
        return self._addresses[self._place]

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def all(self) -> tuple[str, ...]:
        """Every address, in the order given."""
        return self._addresses

    def failed(self, address: str) -> None:
        """Turn to the next address, unless another call has already turned away from this one."""
        if address == self.current:
            self._place = (self._place + 1) % len(self._addresses)
