"""A network in memory with machines of gossip on it, in virtual time: one seed, one course."""

from __future__ import annotations

import random
from copy import copy
from dataclasses import dataclass, field
from heapq import heappop, heappush

from goutube.membership.broadcasts import Broadcasts
from goutube.membership.context import Options
from goutube.membership.effects import (
    Change,
    Endpoint,
    Joined,
    KeysChanged,
    LeaveDone,
    MemberChanged,
    Status,
)
from goutube.membership.keyring import Keyring
from goutube.membership.machine import Membership
from goutube.membership.packet import Seal, open_packet

PLAIN = Seal(Keyring(()))
START_MS = 1_000_000
_CONNECT_AGAIN_MS = 1000
_SEND_AGAIN_MS = 200
"""How long Linux waits before it repeats a lost packet; each time twice as long."""


def place(number, port=7946):
    """Where the node of a number lives."""
    return Endpoint(bytes((10, number >> 16 & 255, number >> 8 & 255, number & 255)), port)


@dataclass
class Node:
    """One machine and what happened to it."""

    name: str
    endpoint: Endpoint
    machine: Membership
    life: int
    events: list = field(default_factory=list)
    held: list = field(default_factory=list)
    paused: bool = False
    wake_ms: int | None = None
    keep_ms: int = 10
    keep_fault: str = ""

    def statuses(self):
        """Whom it knows, and how they are."""
        return {name: member.status for name, member in self.machine.members.items()}

    def changes(self, name=None):
        """What it was told of a member, in order."""
        return [
            event.change
            for event in self.events
            if isinstance(event, MemberChanged) and name in (None, event.member.name)
        ]


class GossipWorld:
    """Nodes, the time, and a network that loses, delays and cuts.

    Args:
        seed: of all chance.
        loss: share of packets that get lost; those of streams are sent again, as TCP does.
        delay_ms: least and greatest time of a packet on its way.
    """

    def __init__(self, seed, loss=0.0, delay_ms=(1, 5)):
        self.chance = random.Random(seed)
        self.loss = loss
        self.delay_ms = delay_ms
        self.now_ms = START_MS
        self.nodes = {}
        self.places = {}
        self.cut = lambda _source, _target: False
        self.bytes_sent = 0
        self.packets_sent = 0
        self.largest_packet = 0
        self.times = {}
        self._heap = []
        self._count = 0
        self._lives = 0

    # The course of time

    def at(self, delay_ms, action):
        """Do something later."""
        self._count += 1
        heappush(self._heap, (self.now_ms + delay_ms, self._count, action))

    def run(self, seconds):
        """Let time pass."""
        end = self.now_ms + int(seconds * 1000)
        while self._heap and self._heap[0][0] <= end:
            self.now_ms, _, action = heappop(self._heap)
            action()
        self.now_ms = end

    def run_until(self, true, seconds):
        """Let time pass until something holds; how many seconds that took."""
        began = self.now_ms
        while not true():
            assert self.now_ms - began < seconds * 1000, f"not within {seconds} s"
            self.run(0.1)
        return (self.now_ms - began) / 1000

    # Nodes

    def add(self, name, endpoint=None, seal=PLAIN, **options):
        """Start a machine."""
        self._lives += 1
        endpoint = endpoint or place(self._lives)
        options.setdefault("incarnation", self.now_ms // 1000)
        options.setdefault("tags", {})
        chosen = Options(name=name, endpoint=endpoint, **options)
        chance = random.Random(self.chance.getrandbits(64))
        machine = Membership(chosen, seal, chance, self.now_ms)
        node = Node(name, endpoint, machine, self._lives)
        node.seal = seal
        self.nodes[name] = self.places[endpoint] = node
        self._perform(node)
        return node

    def cluster(self, size, seconds=60):
        """Nodes n0, n1, ... that all know each other."""
        nodes = [self.add(f"n{number}") for number in range(size)]
        for node in nodes[1:]:
            self.join(node, nodes[0])
        self.run_until(lambda: self.agree(nodes), seconds)
        return nodes

    def settled_cluster(self, size, **options):
        """The same at once, as after hours: all is known, nothing waits to be told."""
        nodes = [self.add(f"n{number}", **options) for number in range(size)]
        entries = {node.name: node.machine._swim.view.me for node in nodes}
        members = {node.name: node.machine.members[node.name] for node in nodes}
        for node in nodes:
            view = node.machine._swim.view
            copies = {name: copy(entry) for name, entry in entries.items() if entry is not view.me}
            view.entries |= copies
            view.ring = list(view.entries)
            node.machine._context.chance.shuffle(view.ring)
            node.machine.members.update(members)  # frozen: one for all
            view.broadcasts = Broadcasts()
            node.events.clear()
        assert self.agree(nodes)
        return nodes

    def join(self, node, seed):
        """Join through another node, as often as it takes."""

        def attempt():
            alive = self.places.get(node.endpoint) is node
            if alive and not any(isinstance(event, Joined) for event in node.events):
                node.machine.advance(self.now_ms)
                node.machine.join(seed.endpoint)
                self._perform(node)
                self.at(5000 + self.chance.randrange(1000), attempt)

        self.at(0, attempt)

    def do(self, node, action):
        """Ask a machine for something and perform its effects."""
        node.machine.advance(self.now_ms)
        action(node.machine)
        self._perform(node)

    def _kept(self, node, number):
        self.do(node, lambda machine: machine.keys_kept(number, node.keep_fault))

    def agree(self, nodes):
        """Whether each of the nodes holds exactly all of them for alive."""
        names = {node.name for node in nodes}
        return all(
            {name for name, status in node.statuses().items() if status == Status.ALIVE} == names
            for node in nodes
        )

    def kill(self, node):
        """End it without a word."""
        if self.places.get(node.endpoint) is node:
            del self.places[node.endpoint]
        if self.nodes.get(node.name) is node:
            del self.nodes[node.name]

    def leave(self, node):
        """Let it say goodbye and end."""
        self.do(node, lambda machine: machine.leave())
        self.run_until(lambda: any(isinstance(e, LeaveDone) for e in node.events), 15)
        self.kill(node)

    def pause(self, node, seconds):
        """Stop it as SIGSTOP does: what reaches it lies unread."""
        node.paused = True

        def resume():
            node.paused = False
            node.machine.advance(self.now_ms)
            self._perform(node)
            held, node.held = node.held, []
            for deliver in held:
                deliver()

        self.at(int(seconds * 1000), resume)

    # The network

    def _perform(self, node):
        effects = node.machine.take()
        for event in effects.events:
            node.events.append(event)
            if isinstance(event, KeysChanged):
                self.at(node.keep_ms, lambda event=event: self._kept(node, event.number))
            if isinstance(event, MemberChanged) and event.change in (Change.FAILED, Change.JOINED):
                self.times.setdefault((node.name, event.member.name, event.change), self.now_ms)
        for send in effects.sends:
            self._send(node, send)
        for dial in effects.dials:
            self._dial(node, dial)
        deadline = node.machine.deadline_ms
        if deadline is not None and (node.wake_ms is None or deadline < node.wake_ms):
            node.wake_ms = deadline
            self.at(max(0, deadline - self.now_ms), lambda: self._wake(node, deadline))

    def _wake(self, node, deadline):
        if node.wake_ms != deadline:
            return
        node.wake_ms = None
        if self._lives_on(node) and not node.paused:
            node.machine.advance(self.now_ms)
            self._perform(node)

    def _lives_on(self, node):
        return self.places.get(node.endpoint) is node

    def _send(self, node, send):
        size = len(send.command) + (5 if send.checksum else 0)
        self.bytes_sent += size
        self.packets_sent += 1
        self.largest_packet = max(self.largest_packet, size)
        if self.chance.random() < self.loss:
            return
        delay = self.chance.randint(*self.delay_ms)
        self.at(delay, lambda: self._arrive(node.endpoint, send))

    def _arrive(self, source, send):
        target = self.places.get(send.to)
        if target is None or self.cut(source, send.to):
            return

        def deliver():
            if self._lives_on(target):
                target.machine.advance(self.now_ms)
                target.machine.receive(open_packet(send.command, PLAIN), source)
                self._perform(target)

        if target.paused:
            target.held.append(deliver)
        else:
            deliver()

    def _dial(self, node, dial):
        """A stream: lost packets delay it, a cut or a dead host ends it without an answer."""
        there = self._stream_ms(2, _CONNECT_AGAIN_MS) + self._stream_ms(1, _SEND_AGAIN_MS)
        target = self.places.get(dial.to)

        def end(answer):
            if self._lives_on(node):
                node.machine.advance(self.now_ms)
                node.machine.stream_ended(dial.ticket, answer)
                self._perform(node)

        def arrive():
            if self._lives_on(target) and not self.cut(node.endpoint, dial.to):
                target.machine.advance(self.now_ms)
                answer = target.machine.answer_stream(dial.message)
                self._perform(target)
                self.at(self._stream_ms(1, _SEND_AGAIN_MS), lambda: end(answer))

        def try_arrive():
            if target.paused:
                target.held.append(arrive)
            else:
                arrive()

        if target is None:
            self.at(1, lambda: end(None))
        else:
            self.at(there, try_arrive)

    def _stream_ms(self, packets, again_ms):
        """How long so many packets of a stream take, all sent again when one of them is lost."""
        taken = sum(self.chance.randint(*self.delay_ms) for _ in range(packets))
        while self.chance.random() >= (1 - self.loss) ** packets:
            taken += again_ms
            again_ms *= 2
        return taken
