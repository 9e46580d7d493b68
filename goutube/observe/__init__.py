"""What an agent says about itself: log lines with fixed event names, and metrics."""

from goutube.observe import events
from goutube.observe.logs import Log, LogFormat, get_log, set_up_logs
from goutube.observe.metrics import Metrics, Sample

__all__ = [
    "Log",
    "LogFormat",
    "Metrics",
    "Sample",
    "events",
    "get_log",
    "set_up_logs",
]
