"""A stranger who throws packets and streams at a node: nothing breaks, nothing grows, nobody is lost.

``GOUTUBE_FLOOD_PACKETS`` is how many packets, 100,000 by default.
"""

from __future__ import annotations

import json
import os
import random
import socket
from pathlib import Path

import psutil
import pytest

from goutube.membership import Change, MemberChanged
from goutube.runtime import gossip_sockets
from tests.support.gossiping import gossiping, wait_until

pytestmark = [pytest.mark.net, pytest.mark.cluster]
PACKETS = int(os.environ.get("GOUTUBE_FLOOD_PACKETS", "100000"))
VECTORS = [
    bytes.fromhex(vector["hex"])
    for vector in json.loads((Path(__file__).parents[1] / "data/serf_vectors.json").read_text())
]


def packets(chance, count):
    """Random bytes, captured packets with some bytes changed, and cut ones."""
    for _ in range(count):
        if chance.random() < 0.2:
            yield chance.randbytes(chance.randrange(1, 1400))
            continue
        raw = bytearray(chance.choice(VECTORS))
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        yield bytes(raw[: chance.randrange(1, len(raw) + 1)])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("limited", [True, False], ids=["limited", "all-read"])
def test_a_flood_of_packets(limited, monkeypatch):
    if not limited:
        monkeypatch.setattr(gossip_sockets, "_FAULTS_PER_SECOND_MAX", 1 << 40)
    chance = random.Random(1)
    with gossiping() as start:
        target = start("target")
        others = [start(name, seeds=[target.port]) for name in ("a", "b")]
        wait_until(lambda: target.alive() >= {"target", "a", "b"}, 5)
        process = psutil.Process()
        memory = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for number, packet in enumerate(packets(chance, PACKETS)):
                out.sendto(packet, ("127.0.0.1", target.port))
                # So fast that the kernel drops, and no faster: the node is to read many of them.
                if number % 50 == 49:
                    wait_until(lambda: True, 1)
                if number % (PACKETS // 4) == 0:
                    memory.append(process.memory_info().rss)
        memory.append(process.memory_info().rss)
        stats = target.gossip.stats
        print("read", stats.packets_received, "dropped", stats.packets_dropped,
              target.gossip.faults.by_reason, [size >> 20 for size in memory])  # fmt: skip
        assert stats.packets_received > PACKETS // 20
        assert memory[-1] - memory[1] < 32 << 20
        lost = [
            event for node in (target, *others) for event in node.events
            if isinstance(event, MemberChanged) and event.change == Change.FAILED
            and event.member.name in ("target", "a", "b")
        ]  # fmt: skip
        assert lost == []
        assert others[0].alive() >= {"target", "a", "b"}


def test_a_flood_of_streams():
    chance = random.Random(2)
    with gossiping() as start:
        target = start("target")
        other = start("a", seeds=[target.port])
        wait_until(lambda: target.alive() >= {"target", "a"}, 5)
        open_ones = []
        for packet in packets(chance, 400):
            out = socket.create_connection(("127.0.0.1", target.port), timeout=5)
            open_ones.append(out)
            try:
                out.sendall(packet)
            except OSError:
                continue
        wait_until(lambda: other.alive() >= {"target", "a"}, 5)
        for out in open_ones:
            out.close()
        late = start("late", seeds=[target.port])
        wait_until(lambda: late.alive() >= {"target", "a", "late"}, 20)
