"""The node's own counters as metrics, read when somebody asks; and how late the event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from goutube.membership import Status
from goutube.node import Node, Scrubber, Space
from goutube.observe import Metrics, Sample
from goutube.runtime import Driver, Gossip, OsDisk

_LAG_INTERVAL_S: Final = 1.0


def samples(node: Node, driver: Driver, disk: OsDisk) -> Iterable[Sample]:
    """What the node, its driver and its disk count, as of now."""
    stats, stored = node.stats, node.store.stats
    _, sync_seconds, sync_seconds_max = driver.journal_seconds()
    room = disk.room()
    yield from (
        Sample("goutube_append_batches", "Batches committed.", stats.appends, counter=True),
        Sample("goutube_append_records", "Records committed.", stats.append_records, counter=True),
        Sample("goutube_append_bytes", "Record bytes committed.", stats.append_bytes, counter=True),
        Sample(
            "goutube_dedup_hits", "Retries answered as duplicates.", stats.duplicates, counter=True
        ),
        Sample("goutube_reads", "Reads answered.", stats.reads, counter=True),
        Sample("goutube_read_bytes", "Record bytes read.", stats.read_bytes, counter=True),
        Sample("goutube_journal_groups", "Journal groups synced.", stored.groups, counter=True),
        Sample(
            "goutube_journal_bytes", "Bytes of journal groups.", stored.group_bytes, counter=True
        ),
        Sample(
            "goutube_fsync_seconds", "Time in writing and syncing groups.", sync_seconds,
            counter=True,
        ),
        Sample("goutube_fsync_max_seconds", "The longest group since start.", sync_seconds_max),
        Sample(
            "goutube_bulk_bytes", "Bytes synced past the journal.", stored.bulk_bytes, counter=True
        ),
        Sample("goutube_checkpoints", "Checkpoints completed.", stored.checkpoints, counter=True),
        Sample(
            "goutube_segments_created", "Segments created.", stored.segments_created, counter=True
        ),
        Sample("goutube_segments_sealed", "Segments sealed.", stored.segments_sealed, counter=True),
        Sample(
            "goutube_segments_freed", "Dead segments freed.", stored.segments_freed, counter=True
        ),
        Sample(
            "goutube_segments_compacted", "Mostly dead segments written anew.",
            stored.segments_compacted, counter=True,
        ),
        Sample(
            "goutube_retention_trims", "Streams that the node has trimmed to what is to be kept.",
            stats.retention_trims, counter=True,
        ),
        Sample(
            "goutube_compaction_bytes", "Bytes written anew by compaction.",
            stored.compaction_bytes, counter=True,
        ),
        Sample(
            "goutube_freed_bytes", "Bytes given back by compaction.", stored.freed_bytes,
            counter=True,
        ),
        Sample("goutube_damaged_ranges", "Ranges of bytes in quarantine.", node.damaged_ranges),
        Sample("goutube_damaged_bytes", "Bytes in quarantine.", node.damaged_bytes),
        Sample("goutube_streams", "Streams there are.", node.stream_count),
        Sample("goutube_healthy", "1 while the disk takes appends.", int(driver.healthy)),
        Sample("goutube_inflight_bytes", "Appended bytes under way.", driver.inflight_bytes),
        Sample("goutube_calls_waiting", "Commands without an answer yet.", driver.calls_waiting),
        Sample("goutube_disk_free_bytes", "Space left for the data directory.", room.bytes),
        Sample("goutube_disk_free_files", "Files that its file system can still hold.", room.files),
        Sample(
            "goutube_disk_full", "1 while appends are refused for want of room.",
            int(node.space is Space.FULL),
        ),
    )  # fmt: skip
    yield from _scrub_samples(node.scrubber)


def _scrub_samples(scrub: Scrubber) -> Iterable[Sample]:
    yield from (
        Sample(
            "goutube_scrub_bytes", "Bytes of sealed segments that were read again.",
            scrub.read_bytes, counter=True,
        ),
        Sample(
            "goutube_scrub_damages", "Ranges of bytes that scrubbing found damaged.",
            scrub.damage_count, counter=True,
        ),
        Sample(
            "goutube_scrub_passes", "Passes over all sealed segments that have ended.",
            scrub.pass_count, counter=True,
        ),
        Sample(
            "goutube_scrub_progress_ratio",
            "How much of the pass under way is done; 1 between two passes.", scrub.progress,
        ),
        Sample(
            "goutube_scrub_last_pass_seconds",
            "Unix time at which the last pass ended; 0: none has.", scrub.ended_unix_s,
        ),
    )  # fmt: skip


def gossip_samples(gossip: Gossip) -> Iterable[Sample]:
    """What gossip counts, as of now."""
    stats = gossip.stats
    alive, failed = gossip.count(Status.ALIVE), gossip.count(Status.FAILED)
    yield from (
        Sample("goutube_members_alive_count", "Members that are there, this one included.", alive),
        Sample("goutube_members_failed_count", "Members that stopped answering.", failed),
        Sample("goutube_gossip_health", "0: well; up to 7: slow to answer.", gossip.health),
        Sample("goutube_gossip_queued_count", "Rumours that wait to be sent on.", gossip.queued),
        Sample("goutube_gossip_sent_packets", "Packets sent.", stats.packets_sent, counter=True),
        Sample("goutube_gossip_sent_bytes", "Bytes of packets.", stats.bytes_sent, counter=True),
        Sample(
            "goutube_gossip_received_packets", "Packets received.", stats.packets_received,
            counter=True,
        ),
        Sample(
            "goutube_gossip_received_bytes", "Bytes of packets.", stats.bytes_received,
            counter=True,
        ),
        Sample(
            "goutube_gossip_dropped_packets", "Packets not taken: faulty, or not for us.",
            stats.packets_dropped, counter=True,
        ),
        Sample(
            "goutube_member_changes", "Members that came, changed, failed, left or were forgotten.",
            stats.member_changes, counter=True,
        ),
        Sample("goutube_user_events", "User events seen.", stats.user_events, counter=True),
    )  # fmt: skip


async def watch_lag(metrics: Metrics) -> None:
    """Note once a second how late the event loop is; runs until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        planned = loop.time() + _LAG_INTERVAL_S
        await asyncio.sleep(_LAG_INTERVAL_S)
        metrics.loop_lag_seconds.observe(max(0.0, loop.time() - planned))
