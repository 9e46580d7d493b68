"""One node without the world: its disk, clock and chance are made here, and break on demand.

The tests stand on this, and ``python -m goutube.sim`` runs whole lives from a seed.
"""

from goutube.sim.disk import MemoryDisk, MemoryFile
from goutube.sim.history import History
from goutube.sim.jobs import perform
from goutube.sim.plants import NO_PLANT, PLANTS, Plant
from goutube.sim.simulation import Report, Simulation
from goutube.sim.stepping import PowerCutError
from goutube.sim.stream_history import BrokenPromiseError
from goutube.sim.world import APART, SMALL, HandClock, SeededEntropy, World

__all__ = [
    "APART",
    "NO_PLANT",
    "PLANTS",
    "SMALL",
    "BrokenPromiseError",
    "HandClock",
    "History",
    "MemoryDisk",
    "MemoryFile",
    "Plant",
    "PowerCutError",
    "Report",
    "SeededEntropy",
    "Simulation",
    "World",
    "perform",
]
