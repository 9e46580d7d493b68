"""Which address others are told, and that every number of the node has a name and a meaning."""

import asyncio
import socket
from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from goutube.agent.addresses import advertised
from goutube.agent.assembly import Agent
from goutube.agent.numbers import samples
from goutube.config import load
from goutube.errors import UnavailableError
from goutube.membership import KeyAction
from goutube.node import NodeStats, Space
from goutube.observe import Metrics
from goutube.ports import Room
from goutube.storage.stats import StoreStats


def test_a_bound_host_is_told_as_it_is():
    for bound in ("127.0.0.1:7373", "[::1]:7373", "example.org:7373"):
        assert advertised(bound, None) == ""


def test_a_wish_wins():
    assert advertised("0.0.0.0:7373", "10.0.0.9:80") == "10.0.0.9:80"


def test_bound_to_everything_a_real_address_is_told():
    host, port = advertised("0.0.0.0:7373", None).split(":")
    assert port == "7373"
    assert not ip_address(host).is_unspecified


def test_without_a_route_the_loopback_address_is_told(monkeypatch):
    def unreachable(*_):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    assert advertised("0.0.0.0:1", None) == "127.0.0.1:1"
    assert advertised("[::]:1", None) == "[::1]:1"


def test_every_counter_of_node_and_store_is_a_metric():
    numbers = iter(range(1000, 2000))
    stats, stored = NodeStats(), StoreStats()
    for counters in (stats, stored):
        for name in counters.__slots__:
            setattr(counters, name, next(numbers))
    driver = SimpleNamespace(
        journal_seconds=lambda: (1, 0.5, 0.25), healthy=True, inflight_bytes=1, calls_waiting=2
    )
    names = ("read_bytes", "damage_count", "pass_count", "progress", "ended_unix_s")
    scrubber = SimpleNamespace(**{name: next(numbers) for name in names})
    node = SimpleNamespace(
        stats=stats,
        scrubber=scrubber,
        store=SimpleNamespace(stats=stored),
        stream_count=3,
        damaged_ranges=5,
        damaged_bytes=6,
        space=Space.FULL,
    )
    disk = SimpleNamespace(room=lambda: Room(4, 7))
    found = list(samples(node, driver, disk))
    values = {sample.value for sample in found}
    assert set(range(1000, next(numbers))) <= values
    metrics = Metrics("0")
    metrics.watch(lambda: found)
    text = metrics.render()[0].decode()
    for sample in found:
        assert sample.name.startswith("goutube_")
        assert sample.text.endswith(".")
        assert f"# HELP {sample.name}" in text


def test_who_asks_for_keys_before_gossip_begins_is_told_to_ask_again(tmp_path):
    """The RPC port opens first; a client that comes then must not be told that nobody gossips."""
    agent = Agent(load({"data_dir": str(tmp_path)}, None, {}), print)
    with pytest.raises(UnavailableError) as told:
        asyncio.run(agent._change_gossip_keys(KeyAction.LIST, ""))
    assert told.value.retry
