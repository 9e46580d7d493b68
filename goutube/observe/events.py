"""The names of what an agent logs: stable words that alarms and scripts may rest on.

A floor that logs takes its event from here; the text of a line is its event and its fields.
"""

from __future__ import annotations

from typing import Final

AGENT_READY: Final = "agent_ready"
AGENT_DRAINING: Final = "agent_draining"
AGENT_STOPPED: Final = "agent_stopped"
AGENT_ENDED_AT_ONCE: Final = "agent_ended_at_once"
SETTING_WARNING: Final = "setting_warning"
STORE_FOUNDED: Final = "store_founded"
STORE_RECOVERED: Final = "store_recovered"
STORE_DAMAGED: Final = "store_damaged"
STORE_MENDED: Final = "store_mended"
SCRUB_BEGUN: Final = "scrub_begun"
SCRUB_ENDED: Final = "scrub_ended"
DISK_LOW: Final = "disk_low"
DISK_FULL: Final = "disk_full"
DISK_HAS_ROOM: Final = "disk_has_room"
NODE_UNHEALTHY: Final = "node_unhealthy"
NODE_FAILED: Final = "node_failed"
HTTP_PORT_TAKEN: Final = "http_port_taken"
RPC_FAULT: Final = "rpc_fault"
RPC_ENDED: Final = "rpc_ended"
LOOP_FAULT: Final = "loop_fault"
LOG_LINES_DROPPED: Final = "log_lines_dropped"
GOSSIP_JOINED: Final = "gossip_joined"
GOSSIP_JOIN_FAILED: Final = "gossip_join_failed"
GOSSIP_HEALTH: Final = "gossip_health"
GOSSIP_KEYS_CHANGED: Final = "gossip_keys_changed"
GOSSIP_KEYS_KEPT: Final = "gossip_keys_kept"
GOSSIP_KEYS_LOST: Final = "gossip_keys_lost"
GOSSIP_PORT_TAKEN: Final = "gossip_port_taken"
CLUSTER_JOINED: Final = "cluster_joined"
MEMBER_CHANGED: Final = "member_changed"
MEMBER_REFUSED: Final = "member_refused"
NAME_IN_USE: Final = "name_in_use"
NAME_TAKEN: Final = "name_taken"
SEED_UNRESOLVED: Final = "seed_unresolved"
USER_EVENT: Final = "user_event"
