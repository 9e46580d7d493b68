"""This node's part in gossip: what the others are told, who is let in, and what the log says."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from goutube.agent.addresses import advertised
from goutube.agent.gossip_keys import KeyChanges, KeyringFile
from goutube.config import Loaded, decode_key, is_loopback, split_address
from goutube.errors import ConfigError, WireFormatError
from goutube.membership import (
    Endpoint,
    Event,
    EventSeen,
    HealthChanged,
    Joined,
    JoinFailed,
    Keyring,
    KeysChanged,
    MemberChanged,
    NameInUse,
    Options,
    Refused,
    Snapshot,
    encode_tags,
    show_endpoint,
)
from goutube.node import NodeReport
from goutube.observe import events, get_log
from goutube.runtime import Gossip, GossipFeed, GossipOptions, SystemClock, endpoint_of

PROTOCOL: Final = "1"
"""Of nodes among themselves; a member that tells another one is not let in."""
RESERVED_TAGS: Final = ("cluster", "goutube", "hash", "id", "protocol", "rpc", "type")
_REPEAT_S: Final = 60.0
"""How often the same trouble is told again."""
_TROUBLES_MAX: Final = 256


class Self(Struct, frozen=True):
    """What the others are to know of this node besides its settings."""

    report: NodeReport
    rpc_address: str
    version: str


class NodeGossip:
    """Membership with the settings of an agent.

    Args:
        loaded: the settings.
        node: who we are.
        name_taken: called on another thread when a live node has our name, with a sentence.
        feed: is told what happens, for the rest of the node and for clients.

    Raises:
        ConfigError: tags that cannot be used.
    """

    def __init__(
        self, loaded: Loaded, node: Self, name_taken: Callable[[str], None], feed: GossipFeed
    ) -> None:
        config = loaded.config
        self._config = config
        self._node = node
        self._name_taken = name_taken
        self._feed = feed
        self._troubles: dict[tuple[str, str], float] = {}
        self._cluster = ""
        self._tags = self._own_tags()
        self._check_tags()
        host, port = split_address(config.bind_addr)
        self._keyring_file = KeyringFile(
            config.data_dir,
            tuple(decode_key(key.get_secret_value()) for key in config.encrypt_keys),
        )
        self.gossip = Gossip(
            GossipOptions(
                host=host,
                port=port,
                advertise=self._advertise,
                options=self._options,
                seeds=tuple(map(split_address, config.seed_addresses)),
                keyring=Keyring(self._keyring_file.read()),
                local_only=is_loopback(config.rpc_port),
                directory=config.data_dir,
            ),
            self._told,
            self._unresolved,
        )
        self.change_keys = KeyChanges(self.gossip.ask_keys)

    def start(self) -> str:
        """Take part from now on; the address that the others are told.

        Raises:
            OSError: the address cannot be bound.
            ConfigError: ``advertise_addr`` cannot be looked up.
        """
        endpoint = self.gossip.start()
        return show_endpoint(endpoint)

    def stop(self, *, leave: bool) -> None:
        """End; with ``leave`` the others are told first, which takes about two seconds."""
        self.gossip.stop(leave=leave)
        self._keyring_file.close()

    # Who we are

    def _own_tags(self) -> dict[str, str]:
        config, node = self._config, self._node
        return {
            **config.tags,
            "goutube": node.version,
            "hash": config.hash_function,
            "id": node.report.incarnation.hex(),
            "protocol": PROTOCOL,
            "rpc": node.rpc_address,
            "type": config.member_type,
        }

    def _check_tags(self) -> None:
        taken = sorted(set(self._config.tags) & set(RESERVED_TAGS))
        if taken:
            raise ConfigError(
                f"tags: {', '.join(taken)} belongs to Goutube itself; take another name",
                setting="tags",
            )
        try:
            encode_tags({**self._tags, "cluster": self._node.report.cluster_id.hex()})
        except WireFormatError as error:
            raise ConfigError(f"tags: {error.message}; drop some", setting="tags") from None

    def _advertise(self, port: int) -> Endpoint:
        config = self._config
        wished = config.advertise_addr
        if wished is None and self._is_local:
            host, _ = split_address(config.bind_addr)
            wished = f"[::1]:{port}" if ":" in host else f"127.0.0.1:{port}"
            if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
                wished = None
        told = advertised(config.bind_addr, wished) or config.bind_addr
        host, told_port = split_address(told)
        try:
            info = socket.getaddrinfo(host, told_port or port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise ConfigError(
                f"the gossip address {told!r} cannot be looked up: {error.strerror}; set "
                "advertise_addr to what the others reach this node at",
                setting="advertise_addr",
            ) from error
        return endpoint_of(str(info[4][0]), told_port or port)

    @property
    def _is_local(self) -> bool:
        return is_loopback(self._config.rpc_port) and not self._config.encrypt_keys

    def _options(self, endpoint: Endpoint, kept: Snapshot) -> Options:
        founds = not self._config.seed_addresses
        self._adopt(self._node.report.cluster_id.hex() if founds else kept.cluster)
        self._endpoint = endpoint
        return Options(
            name=self._config.node_name,
            endpoint=endpoint,
            tags=self._tags,
            incarnation=SystemClock().wall_ms() // 1000,
            admission=self._judge,
        )

    def _judge(self, _name: str, endpoint: Endpoint, tags: dict[str, str]) -> str | None:
        """Why a node is not let in. One that tells no cluster is foreign, and welcome."""
        return self._address_fault(endpoint) or self._tags_fault(tags)

    def _address_fault(self, endpoint: Endpoint) -> str | None:
        if endpoint.is_loopback and not self._endpoint.is_loopback:
            return "it advertises a loopback address, which leads nowhere from here"
        if self._is_local and not endpoint.is_loopback:
            return "it advertises another machine, from which this node reads nothing without a key"
        return None

    def _tags_fault(self, tags: dict[str, str]) -> str | None:
        cluster = tags.get("cluster")
        if cluster and self._cluster and cluster != self._cluster:
            return f"it belongs to the cluster {cluster}, this node to {self._cluster}"
        if "goutube" not in tags:
            return None
        if tags.get("hash") != self._config.hash_function:
            return (
                f"it places keys by {tags.get('hash')}, this node by {self._config.hash_function}: "
                "hash_function must be the same everywhere"
            )
        if tags.get("protocol") != PROTOCOL:
            return f"it speaks protocol {tags.get('protocol')}, this node {PROTOCOL}"
        return None

    def _adopt(self, cluster: str) -> None:
        self._cluster = cluster
        if cluster:
            self._tags = {**self._tags, "cluster": cluster}

    def _join_cluster(self, cluster: str) -> None:
        """A node with seeds belongs to the cluster that it finds there."""
        self._adopt(cluster)
        self.gossip.cluster = cluster
        self.gossip.set_tags(self._tags)
        get_log().info(events.CLUSTER_JOINED, cluster_id=cluster)

    # What happens

    def _told(self, event: Event) -> None:
        self._feed.tell(event)
        log = get_log()
        match event:
            case MemberChanged():
                self._member_changed(event)
            case Joined():
                log.info(events.GOSSIP_JOINED, peer=show_endpoint(event.peer),
                         members=event.members)  # fmt: skip
                self._found_if_wished()
            case JoinFailed():
                self._trouble(events.GOSSIP_JOIN_FAILED, show_endpoint(event.peer), event.reason)
                self._found_if_wished()
            case Refused():
                self._trouble(events.MEMBER_REFUSED, event.name, event.reason)
            case NameInUse():
                self._name_in_use(event)
            case HealthChanged():
                log.debug(events.GOSSIP_HEALTH, score=event.score)
            case KeysChanged():
                self._keyring_file.keep(
                    event.keys, lambda fault: self.gossip.keys_kept(event.number, fault)
                )
                log.info(events.GOSSIP_KEYS_CHANGED, keys=len(event.keys))
            case EventSeen():
                log.info(events.USER_EVENT, name=event.name, payload_bytes=len(event.payload))
            case _:
                pass

    def _member_changed(self, event: MemberChanged) -> None:
        member = event.member
        if member.name == self._config.node_name:
            return
        cluster = member.tags.get("cluster", "")
        if not self._cluster and cluster:
            self._join_cluster(cluster)
        get_log().info(
            events.MEMBER_CHANGED,
            change=str(event.change),
            member=member.name,
            address=show_endpoint(member.endpoint),
            foreign="goutube" not in member.tags,
        )

    def _found_if_wished(self) -> None:
        if self._config.found and not self._cluster:
            self._join_cluster(self._node.report.cluster_id.hex())

    def _name_in_use(self, event: NameInUse) -> None:
        holder, other = show_endpoint(event.holder), show_endpoint(event.other)
        if event.own:
            self._name_taken(
                f"another live node has the name {event.name!r}, at {holder}: names are unique in "
                "a cluster; set node_name to another one"
            )
        else:
            text = f"it lives at {holder}, and a process at {other} uses its name"
            self._trouble(events.NAME_IN_USE, event.name, text)

    def _unresolved(self, seed: str, reason: str) -> None:
        self._trouble(events.SEED_UNRESOLVED, seed, reason)

    def _trouble(self, event: str, about: str, reason: str) -> None:
        """Tell a trouble, and the same one again only after a while."""
        now = time.monotonic()
        told = self._troubles.get((event, about))
        if told is not None and now - told < _REPEAT_S:
            return
        if len(self._troubles) >= _TROUBLES_MAX:
            self._troubles.clear()
        self._troubles[event, about] = now
        get_log().warning(event, about=about, reason=reason)


def bound_fault(loaded: Loaded, error: OSError) -> ConfigError | None:
    """What to say when the gossip address cannot be bound; None: the node goes on without."""
    address, sources = loaded.config.bind_addr, loaded.sources
    reason = os.strerror(error.errno) if error.errno else str(error)
    if "bind_addr" in sources or "seed_addresses" in sources:
        return ConfigError(
            f"bind_addr = {address!r} (from {sources.get('bind_addr', 'the default')}) cannot be "
            f"bound: {reason}; set another one",
            setting="bind_addr",
        )
    get_log().warning(events.GOSSIP_PORT_TAKEN, bind_addr=address, reason=reason)
    return None
