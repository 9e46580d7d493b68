"""Whom an agent lets into its cluster, and what it says of those whom it does not."""

from __future__ import annotations

import pytest

from goutube.agent.gossip import PROTOCOL, NodeGossip, Self
from goutube.config import load
from goutube.membership import Endpoint, Snapshot
from goutube.node import NodeReport

CLUSTER = bytes(range(16))
HERE = Endpoint(bytes((10, 0, 0, 1)), 7946)
THERE = Endpoint(bytes((10, 0, 0, 2)), 7946)
LOOPBACK = Endpoint(bytes((127, 0, 0, 1)), 7946)
OURS = {"goutube": "1", "protocol": PROTOCOL, "hash": "xxh64", "cluster": CLUSTER.hex()}


@pytest.fixture
def admission(tmp_path):
    """How a founder judges who comes, at an address that others reach."""
    loaded = load({"data_dir": str(tmp_path), "node_name": "n1"}, None, {})
    report = NodeReport(CLUSTER, "n1", bytes(16), 1, [])
    gossip = NodeGossip(loaded, Self(report, "10.0.0.1:7373", "1"), pytest.fail)
    return gossip._options(HERE, Snapshot()).admission


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
def test_who_is_let_in(admission, endpoint, tags, reason):
    said = admission("n2", endpoint, tags)
    assert said is None if reason is None else reason in said
