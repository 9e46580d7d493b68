"""Opens the data directory: lock, founding or recovery, and a line in the log that tells which."""

from __future__ import annotations

from msgspec import Struct

from goutube.config import Config
from goutube.node import Node, NodeOptions, open_node
from goutube.observe import events, get_log
from goutube.runtime import OsDisk, SystemClock, SystemEntropy
from goutube.storage import small_storage


class Opened(Struct, frozen=True):
    """A node and the disk that it stands on."""

    disk: OsDisk
    node: Node


def open_directory(config: Config, clock: SystemClock) -> Opened:
    """Open the data directory for this process alone; takes as long as recovery does.

    Raises:
        StorageError: it is in use, damaged, of another node or format, or cannot be written.
    """
    began_ms = clock.monotonic_ms()
    disk = OsDisk(config.data_dir)
    try:
        node = open_node(disk, clock, SystemEntropy(), _options(config))
    except BaseException:
        disk.close()
        raise
    _tell(node, config, clock.monotonic_ms() - began_ms)
    return Opened(disk, node)


def _options(config: Config) -> NodeOptions:
    return NodeOptions(
        node_name=config.node_name,
        shard_count=config.shard_count,
        hash_function=config.hash_function,
        storage=small_storage(config.journal_bytes, config.segment_bytes),
    )


def _tell(node: Node, config: Config, duration_ms: int) -> None:
    log, recovered = get_log(), node.recovered
    report = node.report()
    log.info(
        events.STORE_FOUNDED if recovered.founded else events.STORE_RECOVERED,
        data_dir=str(config.data_dir.absolute()),
        duration_ms=duration_ms,
        streams=node.stream_count,
        cluster_id=report.cluster_id.hex(),
        boot=report.boot,
        torn_bytes=sum(shard.torn_bytes for shard in recovered.shards),
    )
    for shard in recovered.shards:
        for damage in shard.damages:
            log.error(
                events.STORE_DAMAGED,
                path=damage.path,
                position=damage.position,
                first_index=damage.first_index,
                last_index=damage.last_index,
            )
