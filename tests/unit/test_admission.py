"""Whom an agent lets into its cluster, and what it says of those whom it does not."""

from __future__ import annotations

import pytest

from goutube.agent.gossip import PROTOCOL, NodeGossip, Self
from goutube.config import load
from goutube.membership import Endpoint, Snapshot
from goutube.node import NodeReport
from goutube.runtime import GossipFeed

CLUSTER = bytes(range(16))
HERE = Endpoint(bytes((10, 0, 0, 1)), 7946)
THERE = Endpoint(bytes((10, 0, 0, 2)), 7946)
LOOPBACK = Endpoint(bytes((127, 0, 0, 1)), 7946)
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OURS = {"goutube": "1", "protocol": PROTOCOL, "hash": "xxh64", "cluster": CLUSTER.hex()}


@pytest.fixture
def founder(tmp_path):
    """How a founder at an address judges who comes."""

    def judge(endpoint, **settings):
        loaded = load({"data_dir": str(tmp_path), "node_name": "n1", **settings}, None, {})
        report = NodeReport(CLUSTER, "n1", bytes(16), 1, [])
        node = Self(report, "10.0.0.1:7373", "1")
        gossip = NodeGossip(loaded, node, pytest.fail, GossipFeed())
        return gossip._options(endpoint, Snapshot()).admission

    return judge


@pytest.mark.parametrize(
    ("endpoint", "tags", "reason"),
    [
        (THERE, OURS, None),
        (THERE, {}, None),
        (THERE, {"role": "db"}, None),
        (THERE, {"cluster": CLUSTER.hex()}, None),
        (LOOPBACK, OURS, "advertises a loopback address"),
        (THERE, {**OURS, "cluster": "ff"}, "belongs to the cluster ff"),
        (THERE, {"cluster": "ff"}, "belongs to the cluster ff"),
        (THERE, {**OURS, "hash": "md5"}, "hash_function must be the same"),
        (THERE, {**OURS, "protocol": "2"}, "speaks protocol 2"),
    ],
    ids=["ours", "foreign", "foreign-tags", "foreign-ours", "loopback", "other-cluster",
         "foreign-other-cluster", "other-hash", "other-protocol"],
)  # fmt: skip
def test_who_is_let_in(founder, endpoint, tags, reason):
    said = founder(HERE, insecure=True, rpc_port="10.0.0.1:7373")("n2", endpoint, tags)
    assert said is None if reason is None else reason in said


@pytest.mark.parametrize(
    ("endpoint", "settings", "welcome"),
    [(LOOPBACK, {}, True), (THERE, {}, False), (THERE, {"encrypt_keys": [KEY]}, True)],
    ids=["here", "elsewhere", "elsewhere-with-a-key"],
)
def test_a_node_that_is_private_to_its_machine_takes_no_other_machine(
    founder, endpoint, settings, welcome
):
    """It would probe and gossip to whatever address a stranger names."""
    said = founder(LOOPBACK, **settings)("n2", endpoint, OURS)
    assert said is None if welcome else "another machine" in said
