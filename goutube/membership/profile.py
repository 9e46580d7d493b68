"""The timers of a cluster and the figures that follow from its size. All nodes use the same."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct


class Profile(Struct, frozen=True):
    """Serf's defaults for one data centre. Times are in milliseconds."""

    probe_interval_ms: int = 1000
    probe_timeout_ms: int = 500
    indirect_checks: int = 3
    suspicion_multiplier: int = 4
    suspicion_max_multiplier: int = 6
    awareness_max: int = 8
    gossip_interval_ms: int = 200
    gossip_nodes: int = 3
    gossip_to_the_dead_ms: int = 30_000
    retransmit_multiplier: int = 4
    push_pull_interval_ms: int = 30_000
    stream_timeout_ms: int = 10_000
    reap_interval_ms: int = 15_000
    reconnect_interval_ms: int = 30_000
    reconnect_timeout_ms: int = 24 * 3600 * 1000
    tombstone_timeout_ms: int = 24 * 3600 * 1000
    recent_intent_timeout_ms: int = 300_000
    broadcast_timeout_ms: int = 5000
    leave_propagate_ms: int = 1000
    leaving_patience_ms: int = 60_000
    """How long a member that said it leaves may still answer before it counts as alive again."""
    query_timeout_multiplier: int = 16

    def retransmit_limit(self, nodes: int) -> int:
        """How often one message is sent on by each node.

        One round more than stock nodes do: with theirs, one death in twenty reaches one of nine
        nodes by nobody's word, but only by its own doubt or the next full exchange.
        """
        return self.retransmit_multiplier * (1 + math.ceil(math.log10(nodes + 1)))

    def suspicion_min_ms(self, nodes: int) -> int:
        """The shortest time between suspicion and death."""
        factor = math.floor(max(1.0, math.log10(max(1, nodes))) * 1000) / 1000
        return int(self.suspicion_multiplier * factor * self.probe_interval_ms)

    def push_pull_ms(self, nodes: int) -> int:
        """How often all is exchanged with one other: rarer in large clusters."""
        if nodes <= _PUSH_PULL_SCALE_NODES:
            return self.push_pull_interval_ms
        factor = math.ceil(math.log2(nodes) - math.log2(_PUSH_PULL_SCALE_NODES)) + 1
        return self.push_pull_interval_ms * factor

    def query_timeout_ms(self, nodes: int) -> int:
        """How long answers to a query are waited for."""
        scale = math.ceil(math.log10(nodes + 1))
        return self.gossip_interval_ms * self.query_timeout_multiplier * scale


_PUSH_PULL_SCALE_NODES: Final = 32
LAN: Final = Profile()
