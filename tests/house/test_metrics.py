"""One table of metrics: the page is printed from the registry; names carry their unit."""

from __future__ import annotations

from tests.house.pages import all_metrics, metric_rows, metrics_page
from tests.house.tree import ROOT

_UNITS = ("_bytes", "_seconds", "_total", "_count", "_info", "_in_flight", "_ratio")
_COUNTS = (
    "goutube_calls_waiting",
    "goutube_damaged_ranges",
    "goutube_disk_free_files",
    "goutube_disk_full",
    "goutube_gossip_health",
    "goutube_healthy",
    "goutube_streams",
)
"""Plain numbers of things, which are their own unit."""


def metric_faults(rows) -> list[str]:
    """Metrics without a unit at the end of their name, or without a sentence."""
    faults = []
    for name, _, labels, meaning in rows:
        bare = name.strip("`")
        if not bare.endswith(_UNITS) and bare not in _COUNTS:
            faults.append(f"{bare} does not end in its unit, one of {_UNITS}")
        if not meaning.endswith("."):
            faults.append(f"{bare} has no sentence that says what it counts")
        if "stream" in labels:
            faults.append(f"{bare} has one series for each stream")
    return faults


def test_the_page_is_printed_from_the_registry():
    """docs/METRICS.md is what make pages prints."""
    assert (ROOT / "docs" / "METRICS.md").read_text() == metrics_page()


def test_every_metric_has_unit_and_meaning():
    """The registry as it is holds no metric with a fault."""
    assert metric_faults(metric_rows(all_metrics())) == []


def test_a_bad_metric_is_noticed():
    """A name without a unit, a missing sentence and a label for streams are all found."""
    assert len(metric_faults([("`goutube_attic`", "gauge", "stream", "")])) == 3
