"""What an agent says about itself: log lines with fixed event names, and metrics."""

from goutube.observe import events
from goutube.observe.lines import LineWriter
from goutube.observe.logs import Log, LogFormat, get_log, set_up_logs
from goutube.observe.metrics import Metrics, Sample
from goutube.observe.probes import Check, Probes

__all__ = [
    "Check",
    "LineWriter",
    "Log",
    "LogFormat",
    "Metrics",
    "Probes",
    "Sample",
    "events",
    "get_log",
    "set_up_logs",
]
