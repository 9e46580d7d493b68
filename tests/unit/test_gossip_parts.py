"""The parts of gossip's runtime: seeds, addresses, and the count of faulty packets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from goutube.membership import Endpoint, Joined, JoinFailed
from goutube.runtime.gossip_seeds import Seeds
from goutube.runtime.gossip_sockets import (
    FaultyPackets,
    bind_sockets,
    endpoint_of,
    socket_address,
)

OURS = endpoint_of("127.0.0.1", 7946)


def keep(addresses, known=(), members=frozenset, seconds=0.2):
    """Run the seeds for a moment: whom they joined, and what they told."""
    joined, told = [], []

    def tell(*trouble):
        told.append(trouble)

    async def main():
        seeds = Seeds(addresses, known, joined.append, members, OURS, lambda: True, tell)
        try:
            await asyncio.wait_for(seeds.keep_joined(), seconds)
        except TimeoutError:
            return
        told.append("ended")

    asyncio.run(main())
    return joined, told


def test_a_name_with_several_addresses_is_all_of_them_but_us(monkeypatch):
    infos = [(socket.AF_INET, 0, 0, "", (host, 7946)) for host in ("10.0.0.1", "10.0.0.2")]

    async def look_up(_loop, host, port, **_options):
        assert (host, port) == ("seeds.example", 7946)
        return [*infos, (socket.AF_INET, 0, 0, "", ("127.0.0.1", 7946))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
    joined, _ = keep([("seeds.example", 7946)])
    assert joined == [endpoint_of("10.0.0.1", 7946), endpoint_of("10.0.0.2", 7946)]


def test_members_of_before_are_tried_too():
    seed, old = endpoint_of("127.0.0.1", 5), endpoint_of("127.0.0.1", 6)
    joined, _ = keep([("127.0.0.1", 5)], [old, OURS])
    assert joined == [seed, old]


def test_who_knows_no_cluster_tries_one_seed_after_the_other():
    """Two clusters would both list him."""
    first, second, third = (endpoint_of("127.0.0.1", port) for port in (5, 6, 7))
    knows = []

    async def main():
        joined: asyncio.Queue[Endpoint] = asyncio.Queue()
        seeds = Seeds(
            [("127.0.0.1", port) for port in (5, 6, 7)], (), joined.put_nowait, frozenset, OURS,
            lambda: bool(knows), lambda *_trouble: None,
        )  # fmt: skip
        keeping = asyncio.create_task(seeds.keep_joined())
        async with asyncio.timeout(10):
            assert await joined.get() == first
            seeds.note(JoinFailed(second, "an answer of a round before this one"))
            for _ in range(10):
                await asyncio.sleep(0)
            assert joined.empty()
            seeds.note(JoinFailed(first, "no answer"))
            assert await joined.get() == second
            knows.append("a cluster")
            seeds.note(Joined(second, 2))
            assert await joined.get() == third
        keeping.cancel()

    asyncio.run(main())


def test_a_name_that_nobody_knows_is_told(monkeypatch):
    async def look_up(_loop, _host, _port, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
    joined, told = keep([("nowhere.example", 1)])
    assert (joined, told) == ([], [("nowhere.example:1", "Name or service not known")])


def test_a_joined_node_leaves_its_seeds_alone():
    seed = endpoint_of("127.0.0.1", 5)
    assert keep([("127.0.0.1", 5)], members=lambda: frozenset({seed})) == ([], [])


def test_a_node_with_nobody_to_join_is_done_at_once():
    assert keep([]) == ([], ["ended"])


def test_one_port_for_both_protocols():
    datagrams, listener = bind_sockets("127.0.0.1", 0)
    with datagrams, listener:
        port = datagrams.getsockname()[1]
        assert listener.getsockname()[1] == port
        with pytest.raises(OSError, match="in use"):
            bind_sockets("127.0.0.1", port)


def test_addresses_for_each_kind_of_socket():
    v4, v6 = endpoint_of("10.0.0.1", 5), endpoint_of("fe80::1%eth0", 5)
    assert v4 == Endpoint(bytes((10, 0, 0, 1)), 5)
    assert socket_address(v4, socket.AF_INET) == ("10.0.0.1", 5)
    assert socket_address(v4, socket.AF_INET6) == ("::ffff:10.0.0.1", 5)
    assert endpoint_of("::ffff:10.0.0.1", 5) == v4
    assert socket_address(v6, socket.AF_INET6) == ("fe80::1", 5)


def test_a_host_of_many_faulty_packets_is_not_read_for_the_rest_of_a_second():
    faults = FaultyPackets()
    for _ in range(300):
        faults.count("checksum", "10.0.0.1", 5.1)
    assert faults.too_many("10.0.0.1", 5.9)
    assert not faults.too_many("10.0.0.2", 5.9)
    assert not faults.too_many("10.0.0.1", 6.0)
    assert faults.by_reason == {"checksum": 300}
