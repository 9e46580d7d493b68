"""Opens the data directory: lock, founding or recovery, and a line in the log that tells which."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from goutube.config import Config
from goutube.crash_points import CrashAt
from goutube.node import Node, NodeOptions, RetentionLimits, ScrubPass, Space, open_node
from goutube.observe import events, get_log
from goutube.ports import Room
from goutube.runtime import OsDisk, SystemClock, SystemEntropy, give_back_memory
from goutube.storage import Damage, Mended, small_storage


class Opened(Struct, frozen=True):
    """A node and the disk that it stands on."""

    disk: OsDisk
    node: Node


def open_directory(config: Config, clock: SystemClock, crash_at: CrashAt | None) -> Opened:
    """Open the data directory for this process alone; takes as long as recovery does.

    Raises:
        StorageError: it is in use, damaged, of another node or format, or cannot be written.
    """
    began_ms = clock.monotonic_ms()
    disk = OsDisk(config.data_dir, crash_at=crash_at)
    try:
        node = open_node(disk, clock, SystemEntropy(), _options(config))
    except BaseException:
        disk.close()
        raise
    give_back_memory()  # of the entries, checkpoints and files that were read
    _tell(node, config, clock.monotonic_ms() - began_ms)
    return Opened(disk, node)


def _options(config: Config) -> NodeOptions:
    return NodeOptions(
        node_name=config.node_name,
        shard_count=config.shard_count,
        hash_function=config.hash_function,
        storage=replace(
            small_storage(config.journal_bytes, config.segment_bytes),
            compaction_dead_percent=config.compaction_dead_percent,
            compaction_bytes_per_s=config.compaction_bytes_per_s,
            scrub_bytes_per_s=config.scrub_bytes_per_s,
            scrub_interval_ms=config.scrub_interval,
            free_bytes_low=config.free_bytes_low,
            free_bytes_min=config.free_bytes_min,
        ),
        retention=RetentionLimits(config.retention_bytes, config.retention_age),
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
    for mended in recovered.mended:
        _tell_mended(mended)
    node.watch_damage(_tell_damage)
    node.watch_space(_tell_space)
    node.scrubber.tell, node.scrubber.tell_mended = _tell_scrub, _tell_mended


def _tell_space(space: Space, room: Room) -> None:
    log, left = get_log(), {"free_bytes": room.bytes, "free_files": room.files}
    match space:
        case Space.FULL:
            log.error(events.DISK_FULL, **left, text="appends are refused until there is room")
        case Space.LOW:
            log.warning(events.DISK_LOW, **left)
        case Space.PLENTY:
            log.info(events.DISK_HAS_ROOM, **left)


def _tell_scrub(scrub: ScrubPass) -> None:
    log, todo = get_log(), {"segments": scrub.segment_count, "bytes": scrub.byte_count}
    if scrub.ended_ms is None:
        log.info(events.SCRUB_BEGUN, **todo)
        return
    log.info(
        events.SCRUB_ENDED,
        **todo,
        read_bytes=scrub.read_bytes,
        damages=scrub.damage_count,
        unread=scrub.unread_count,
        duration_ms=scrub.ended_ms - scrub.began_ms,
    )


def _tell_mended(mended: Mended) -> None:
    get_log().warning(events.STORE_MENDED, path=mended.path, reason=mended.reason)


def _tell_damage(damage: Damage) -> None:
    get_log().error(
        events.STORE_DAMAGED,
        path=damage.path,
        position=damage.position,
        bytes=damage.byte_count,
        first_index=damage.first_index,
        last_index=damage.last_index,
        lost=[f"stream {r.stream_id}: {r.first} to {r.after}" for r in damage.lost],
    )
