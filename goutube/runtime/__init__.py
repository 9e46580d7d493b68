"""The real world under the core: event loop, clocks, randomness, disk, the node's driver."""

from goutube._native import give_back_memory
from goutube.runtime.admission import Admission
from goutube.runtime.clock import SystemClock
from goutube.runtime.disk import OsDisk
from goutube.runtime.disk_jobs import DiskJobs
from goutube.runtime.driver import Answered, Driver, Supervisor
from goutube.runtime.entropy import SystemEntropy
from goutube.runtime.file import OsFile
from goutube.runtime.gossip import Gossip, GossipOptions, GossipStats
from goutube.runtime.gossip_feed import FeedEvent, GossipFeed
from goutube.runtime.gossip_sockets import endpoint_of
from goutube.runtime.loop import loop_name, run
from goutube.runtime.memory import keep_freed_buffers

__all__ = [
    "Admission",
    "Answered",
    "DiskJobs",
    "Driver",
    "FeedEvent",
    "Gossip",
    "GossipFeed",
    "GossipOptions",
    "GossipStats",
    "OsDisk",
    "OsFile",
    "Supervisor",
    "SystemClock",
    "SystemEntropy",
    "endpoint_of",
    "give_back_memory",
    "keep_freed_buffers",
    "loop_name",
    "run",
]
