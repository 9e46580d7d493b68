"""The real world under the core: event loop, clocks, randomness, disk, the node's driver."""

from goutube.runtime.clock import SystemClock
from goutube.runtime.disk import OsDisk
from goutube.runtime.entropy import SystemEntropy
from goutube.runtime.file import OsFile
from goutube.runtime.loop import loop_name, run

__all__ = ["OsDisk", "OsFile", "SystemClock", "SystemEntropy", "loop_name", "run"]
