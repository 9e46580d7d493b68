"""What the clients of a node know of its streams, and whether a node agrees with them."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from goutube.node import AtOffset, Read
from goutube.sim import World


class Model:
    """What clients know: acknowledged bytes by stream, and what they do not know the fate of."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.start: dict[str, int] = {}
        self.sealed: set[str] = set()
        self.sent: dict[int, tuple[str, str, bytes]] = {}
        self.doubtful: dict[str, list[tuple[str, bytes]]] = {}

    def acknowledge(self, token: int, offset: int | None) -> None:
        kind, name, data = self.sent.pop(token)
        have = self.content.get(name, b"")
        if kind == "append":
            assert offset == len(have), f"{name}: told {offset}, ends at {len(have)}"
            self.content[name] = have + data
        elif kind == "seal":
            self.sealed.add(name)
        elif kind == "trim":
            self.start[name] = max(self.start.get(name, 0), int.from_bytes(data, "big"))
        elif kind == "delete":
            self.forget(name)

    def forget(self, name: str) -> None:
        self.content.pop(name, None)
        self.start.pop(name, None)
        self.sealed.discard(name)

    def copy(self) -> Model:
        """The same knowledge, for another world."""
        return copy.deepcopy(self)

    def lose_track(self) -> None:
        """The node died: whatever was under way may have happened, in the order of sending."""
        for kind, name, data in self.sent.values():
            self.doubtful.setdefault(name, []).append((kind, data))
        self.sent.clear()


def possible(model: Model, name: str) -> list[tuple[bytes | None, int, bool]]:
    """The states that a stream may be in: acknowledged, plus a prefix of what is in doubt."""
    content, start = model.content.get(name), model.start.get(name, 0)
    sealed = name in model.sealed
    states = [(content, start, sealed)]
    for kind, data in model.doubtful.get(name, []):
        if kind == "delete":
            content, start, sealed = None, 0, False
        elif kind == "append" and not sealed:
            content = (content or b"") + data
        elif kind == "seal" and content is not None:
            sealed = True
        elif kind == "trim" and content is not None:
            before = int.from_bytes(data, "big")
            start = max(start, before) if before <= len(content) else start  # else refused
        states.append((content, start, sealed))
    return states


def read_back(world: World, name: str) -> tuple[bytes | None, int, bool]:
    """A stream as it is: its bytes from its start on, where that is, whether it is sealed."""
    info = next((i for i in world.streams() if i.name == name), None)
    if info is None:
        return None, 0, False
    content, offset = b"", info.start_offset
    while offset < info.end_offset:
        answer = world.call(Read(name, 0, AtOffset(offset), None, 1 << 15, False, False))
        assert answer.offset == offset
        content, offset = content + answer.data, answer.next_offset
    return content, info.start_offset, info.sealed


def check(world: World, model: Model, names: Iterable[str]) -> None:
    """Each stream is in a state that it may be in; from now on that is what is known."""
    for name in names:
        content, start, sealed = read_back(world, name)
        matches = [
            state
            for state in possible(model, name)
            if (state[0] is None) == (content is None)
            and (
                state[0] is None
                or (state[0][state[1] :], state[1], state[2]) == (content, start, sealed)
            )
        ]
        assert matches, f"{name}: found {len(content or b'')} bytes from {start}, sealed {sealed}"
        model.doubtful.pop(name, None)
        model.forget(name)
        if content is not None:
            model.content[name] = matches[-1][0]
            model.start[name] = start
            if sealed:
                model.sealed.add(name)
