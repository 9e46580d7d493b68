"""What the parts of one machine share: time, chance, the way out, and their own health."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct, field

from goutube.membership.effects import Effects, Endpoint, HealthChanged, Refused, Send
from goutube.membership.messages import Message, encode_message
from goutube.membership.packet import CRC_VERSION
from goutube.membership.profile import LAN, Profile
from goutube.membership.timers import Timers

_Value = TypeVar("_Value")

Admission = Callable[[str, Endpoint, dict[str, str]], str | None]
"""Why a node of this name, place and tags is not let in; None: it is."""


class Chance(Protocol):
    """Randomness, as ``random.Random`` has it."""

    def random(self) -> float:
        """From 0 up to, not including, 1."""

    def randrange(self, stop: int, /) -> int:
        """A whole number from 0 up to, not including, ``stop``."""

    def shuffle(self, x: MutableSequence[Any], /) -> None:
        """Put a list into any order."""

    def sample(self, population: Sequence[_Value], k: int) -> list[_Value]:
        """``k`` different items."""


class Options(Struct, frozen=True):
    """What a node is and how it judges others.

    Attributes:
        name: unique in the cluster.
        endpoint: where the others reach us.
        tags: what the others are told of us.
        incarnation: above that of any earlier process of the name: the Unix time does.
        admission: the judge of others.
    """

    name: str
    endpoint: Endpoint
    tags: dict[str, str]
    incarnation: int
    profile: Profile = LAN
    admission: Admission = lambda _name, _endpoint, _tags: None


class Context(Struct):
    """Shared by the parts of one machine."""

    options: Options
    timers: Timers
    chance: Chance
    effects: Effects = field(default_factory=Effects)
    awareness: int = 0

    @property
    def profile(self) -> Profile:
        """The cluster's timers."""
        return self.options.profile

    def send(self, to: Endpoint, message: Message, versions: bytes = b"") -> None:
        """Send one message alone."""
        self.send_command(to, encode_message(message), versions)

    def send_command(self, to: Endpoint, command: bytes, versions: bytes = b"") -> None:
        """Send a command; the receiver's versions tell whether it reads checksums."""
        checksum = len(versions) > 1 and versions[1] >= CRC_VERSION
        self.effects.sends.append(Send(to, command, checksum))

    def refuse(self, name: str, endpoint: Endpoint, reason: str) -> None:
        """Tell that somebody is not let in."""
        self.effects.events.append(Refused(name, endpoint, reason))

    def health(self, change: int) -> None:
        """Find ourselves slower (above 0) or quicker."""
        score = min(max(self.awareness + change, 0), self.profile.awareness_max - 1)
        if score != self.awareness:
            self.awareness = score
            self.effects.events.append(HealthChanged(score))
