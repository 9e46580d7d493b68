"""A stranger who throws packets and streams at a live agent: nothing breaks, grows or gets lost.

``GOUTUBE_FLOOD_PACKETS`` is how many packets, 100,000 by default.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from goutube.limits import MIB
from tests.support.gossiping import wait_until
from tests.support.members import members

pytestmark = [pytest.mark.net, pytest.mark.cluster]
PACKETS = int(os.environ.get("GOUTUBE_FLOOD_PACKETS", "100000"))
PACKETS_PER_SECOND = 5000
GROWTH_MAX = 16 * MIB
"""Of resident memory, from a quarter of the flood on."""
NAMES = {"target", "a", "b"}
HOSTS = {"one-host": ["127.0.0.2"], "many-hosts": [f"127.0.1.{last}" for last in range(1, 251)]}
"""Where the packets come from: of one host, faulty ones are soon dropped unread."""
VECTORS = [
    bytes.fromhex(vector["hex"])
    for vector in json.loads((Path(__file__).parents[1] / "data/serf_vectors.json").read_text())
]


def packets(chance, count):
    """Random bytes, and captured packets with some bytes changed, half of them cut."""
    for _ in range(count):
        if chance.random() < 0.2:
            yield chance.randbytes(chance.randrange(1, 1400))
            continue
        raw = bytearray(chance.choice(VECTORS))
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        whole = chance.random() < 0.5
        yield bytes(raw if whole else raw[: chance.randrange(1, len(raw))])


@pytest.fixture
def cluster(tmp_path):
    """Three agents that know each other; the first is the target."""
    with members(tmp_path) as start:
        target = start("target", "--http-port", "0")
        nodes = [target, *(start(name, seeds=[target]) for name in "ab")]
        wait_until(lambda: all(node.alive() == NAMES for node in nodes), 10)
        yield nodes


@contextmanager
def watched(nodes):
    """Ask all agents all the time; who was missing from whose list, and the target's memory."""
    stop, missing, resident = threading.Event(), [], []
    process = psutil.Process(nodes[0].agent.child.pid)

    def watch():
        while not stop.wait(0.25):
            resident.append(process.memory_info().rss)
            missing.extend((node.name, lost) for node in nodes if (lost := NAMES - node.alive()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield missing, resident
    finally:
        stop.set()
        thread.join()


def counted(node, name):
    """A number of an agent's metrics."""
    ready = next(line for line in node.agent.log_lines if '"agent_ready"' in line)
    url = f"http://{json.loads(ready)['http_address']}/metrics"
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    return float(line.split()[1])


def failures(nodes):
    """Whom of us the agents ever held for failed, as their logs tell."""
    lines = [json.loads(line) for node in nodes for line in tuple(node.agent.log_lines)]
    return [
        line for line in lines
        if line["event"] == "member_changed" and line["change"] == "failed"
        and line["member"] in NAMES
    ]  # fmt: skip


def throw(port, hosts, count):
    """Send packets at a steady rate, which an agent can read."""
    with ExitStack() as ends:
        sockets = []
        for host in hosts:
            out = ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            out.bind((host, 0))
            sockets.append(out)
        began = time.monotonic()
        for number, packet in enumerate(packets(random.Random(1), count)):
            sockets[number % len(sockets)].sendto(packet, ("127.0.0.1", port))
            if number % 100 == 99:
                ahead = number / PACKETS_PER_SECOND - (time.monotonic() - began)
                time.sleep(max(0.0, ahead))


@pytest.mark.timeout(120 + PACKETS // 1000)
@pytest.mark.parametrize("hosts", HOSTS)
def test_a_flood_of_packets(cluster, hosts):
    target = cluster[0]
    with watched(cluster) as (missing, resident):
        before = counted(target, "goutube_gossip_received_packets")
        began = time.monotonic()
        throw(target.port, HOSTS[hosts], PACKETS)
        seconds = time.monotonic() - began
        received = counted(target, "goutube_gossip_received_packets") - before
        dropped = counted(target, "goutube_gossip_dropped_packets")
    print(f"{PACKETS} packets in {seconds:.0f} s, {received:.0f} received, {dropped:.0f} not taken; "
          f"resident {[size >> 20 for size in resident[:: max(1, len(resident) // 8)]]} MiB")  # fmt: skip
    assert received > PACKETS / 2  # what a busy machine's kernel drops has not been tried
    assert missing == []
    assert failures(cluster) == []
    assert all(node.alive() >= NAMES for node in cluster)
    assert max(resident) - max(resident[: len(resident) // 4]) < GROWTH_MAX


def test_a_flood_of_streams(cluster, tmp_path):
    target, chance = cluster[0], random.Random(2)
    with watched(cluster) as (missing, _), ExitStack() as ends:
        for packet in packets(chance, 400):
            address = ("127.0.0.1", target.port)
            out = ends.enter_context(socket.create_connection(address, timeout=5))
            try:
                out.sendall(packet)
            except OSError:
                continue
    assert missing == []
    assert failures(cluster) == []
    with members(tmp_path) as start:
        late = start("late", seeds=[target])
        wait_until(lambda: late.alive() >= NAMES | {"late"}, 20)
